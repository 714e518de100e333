"""Training on parts of the picture: the patches around an actor, which are what is hard.

Places are learned long before people, who cover a tenth of the picture. A window of 3 x 3 of 4 x 6 patches makes a step
cheaper, and keeps every token's position in the whole picture (as masked training of diffusion transformers does with
the tokens it keeps, Zheng et al. 2024).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS, COLUMNS = 3, 3  # patches; figures stand in the lower three quarters of the picture


@dataclass(frozen=True)
class Window:
    """Where the windows of a batch lie. corners: int (B, 2), row and column in patches; p: what `cut` and `paste` are
    given, a side of a patch."""

    corners: Tensor
    p: int

    def cut(self, x: Tensor) -> Tensor:
        """(B, ..., h, w), of single latents, to (B, ..., ROWS p, COLUMNS p)."""
        parts = (
            one[..., self.p * top : self.p * (top + ROWS), self.p * left : self.p * (left + COLUMNS)]
            for one, (top, left) in zip(x, self.corners.tolist(), strict=True)
        )
        return torch.stack(list(parts))

    def paste(self, part: Tensor, into: Tensor) -> Tensor:
        """`into` (B, ..., h, w) with `part` (B, ..., ROWS p, COLUMNS p) in its place."""
        filled = []
        for new, old, (top, left) in zip(part, into, self.corners.tolist(), strict=True):
            height, width = old.shape[-2:]
            right, bottom = width - self.p * (left + COLUMNS), height - self.p * (top + ROWS)
            margins = (self.p * left, right, self.p * top, bottom)
            inside = F.pad(torch.ones_like(new, dtype=torch.bool), margins)
            filled.append(torch.where(inside, F.pad(new, margins), old))
        return torch.stack(filled)


def draw_window(actors: Tensor, p: int, generator: torch.Generator) -> Window:
    """A window a clip, at random among those that show most of an actor. actors: float (B, f, h, w), how much of each
    latent one covers, on the CPU."""
    shown = F.avg_pool2d(actors.mean(1, keepdim=True), (ROWS * p, COLUMNS * p), stride=p)[:, 0]  # (B, tops, lefts)
    best = shown.flatten(1).amax(1)[:, None, None]
    chances = torch.rand(shown.shape, generator=generator) * (shown >= 0.9 * best)
    at = chances.flatten(1).argmax(1)
    return Window(torch.stack([at // shown.shape[2], at % shown.shape[2]], dim=1), p)
