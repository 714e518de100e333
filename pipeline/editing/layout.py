"""Which token belongs to which region, and how attention is modulated by that.

Letters: K regions, N video tokens, L text tokens, H history tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..blocks.modulation import CROSS, SELF, Modulation

ANYONE, NOBODY = -1, -2


@dataclass(frozen=True, eq=False)
class Layout:
    """owner: the region of every video token, int64 (N), K for none. areas: the share of each region, (K + 1)."""

    owner: Tensor
    areas: Tensor

    @classmethod
    def of(cls, shares: Sequence[Tensor]) -> Layout:
        """shares: of each region, the share of each token that it covers, (f, h, w). A token is of the region that
        covers most of it, if that is half of it, or as much as it covers of any token: small regions own some too."""
        stack = torch.stack([share.flatten() for share in shares])
        enough = (0.5 * stack.amax(1, keepdim=True)).clamp(min=1e-6)
        best, owner = (stack * (stack >= enough)).max(0)
        owner = torch.where(best > 0, owner, len(shares))
        areas = torch.bincount(owner, minlength=len(shares) + 1) / len(owner)
        return cls(owner, areas)

    def modulation(
        self, words: Sequence[Sequence[int]], length: int, strengths: Sequence[float], past: Sequence[int] | None = None
    ) -> Modulation:
        """words: the rows of the text tokens of each region; strengths: of each region, 0 leaves its queries alone.
        past: the region of every history token, ANYONE for what all may look at, NOBODY; None for no history."""
        s = torch.tensor([*strengths, max(strengths, default=0.0)]) * (1 - self.areas)
        scale = s[self.owner][:, None]
        text = torch.zeros(len(self.owner), length)
        for region, rows in enumerate(words):
            for row in rows:
                text[:, row] = torch.where(self.owner == region, 1.0, -1.0)
        video = torch.where(self.owner[:, None] == self.owner[None], 1.0, -1.0)
        return Modulation(CROSS * scale * text, SELF * scale * video, self._confined(past))

    def _confined(self, past: Sequence[int] | None) -> Tensor | None:
        """Which history token each video token may look at, bool (N, H)."""
        if past is None:
            return None
        of = torch.tensor(list(past))
        return (of[None] == ANYONE) | (of[None] == self.owner[:, None])
