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
        """(B, ..., h, w) to (B, ..., ROWS p, COLUMNS p)."""
        return torch.stack([one[at] for one, at in zip(x, self._places(), strict=True)])

    def paste(self, part: Tensor, into: Tensor) -> Tensor:
        """`into` (B, ..., h, w) with `part` (B, ..., ROWS p, COLUMNS p) in its place."""
        filled = into.clone()
        for row, at in enumerate(self._places()):
            filled[row][at] = part[row]
        return filled

    def _places(self) -> list[tuple]:
        p = self.p
        return [
            (..., slice(p * top, p * (top + ROWS)), slice(p * left, p * (left + COLUMNS)))
            for top, left in self.corners.tolist()
        ]


def draw_window(actors: Tensor, p: int, generator: torch.Generator) -> Window:
    """A window a clip, at random among those that show most of an actor. actors: float (B, f, h, w), how much of each
    latent one covers, on the CPU."""
    shown = F.avg_pool2d(actors.mean(1, keepdim=True), (ROWS * p, COLUMNS * p), stride=p)[:, 0]  # (B, tops, lefts)
    best = shown.flatten(1).amax(1)[:, None, None]
    chances = torch.rand(shown.shape, generator=generator) * (shown >= 0.9 * best)
    at = chances.flatten(1).argmax(1)
    return Window(torch.stack([at // shown.shape[2], at % shown.shape[2]], dim=1), p)
