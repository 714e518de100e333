"""Where in a clip: a mask for every frame, from a word, a drawn box, a brush, or what all of them leave.

A region is kept at the pixels of the clip, the finest grid there is. Latents and tokens get the share of theirs that it
covers, so that what is smaller than a token still has a place in it.

Letters: F frames, H, W pixels, f latent frames, h, w cells a side (latents or tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ThroughlineError


@dataclass(frozen=True, eq=False)
class Region:
    """mask: float32 (F, H, W), 1 inside, 0 outside."""

    mask: np.ndarray

    @classmethod
    def box(cls, shape: tuple[int, int, int], box: Sequence[float]) -> Region:
        """A box in all frames. shape: (F, H, W); box: left, top, right, bottom, as shares of the picture. Raises
        ThroughlineError for one that has no inside."""
        left, top, right, bottom = (min(max(float(side), 0.0), 1.0) for side in box)
        if not (left < right and top < bottom):
            told = ", ".join(f"{side:g}" for side in box)
            raise ThroughlineError(f"box is {told}: expected left < right and top < bottom, as shares from 0 to 1")
        mask, (_, height, width) = np.zeros(shape, np.float32), shape
        rows = slice(int(top * height), max(int(np.ceil(bottom * height)), int(top * height) + 1))
        columns = slice(int(left * width), max(int(np.ceil(right * width)), int(left * width) + 1))
        mask[:, rows, columns] = 1
        return cls(mask)

    @classmethod
    def brush(cls, shape: tuple[int, int, int], points: Sequence[tuple[float, float, float]]) -> Region:
        """What a brush went over, in all frames. points: across and down as shares of the picture, and the radius as a
        share of its height. Raises ThroughlineError for a brush that painted nothing."""
        if not points:
            raise ThroughlineError("the brush painted nothing: expected at least one point")
        _, height, width = shape
        rows, columns = np.mgrid[:height, :width]
        painted = np.zeros((height, width), bool)
        for x, y, radius in points:
            reach = max(radius * height, 0.71)  # at least the pixel itself
            painted |= np.hypot(columns + 0.5 - x * width, rows + 0.5 - y * height) <= reach
        return cls(np.broadcast_to(painted.astype(np.float32), shape).copy())

    @classmethod
    def everything(cls, shape: tuple[int, int, int]) -> Region:
        return cls(np.ones(shape, np.float32))

    @property
    def area(self) -> float:
        """The share of the clip that it covers."""
        return float(self.mask.mean())

    @property
    def is_empty(self) -> bool:
        return not bool((self.mask > 0).any())

    def grown(self, pixels: int) -> Region:
        """With a margin."""
        if pixels <= 0:
            return self
        wide = F.max_pool2d(torch.from_numpy(self.mask)[:, None], 2 * pixels + 1, 1, pixels)
        return Region(wide[:, 0].numpy())

    def steadied(self, frames: int) -> Region:
        """With what it covers up to so many frames earlier and later, for latents of several frames."""
        wide = F.max_pool3d(torch.from_numpy(self.mask)[None, None], (2 * frames + 1, 1, 1), 1, (frames, 0, 0))
        return Region(wide[0, 0].numpy())

    def without(self, others: Sequence[Region]) -> Region:
        mask = self.mask
        for other in others:
            mask = mask * (1 - other.mask)
        return Region(mask)

    def joined(self, others: Sequence[Region]) -> Region:
        return Region(np.maximum.reduce([self.mask, *(other.mask for other in others)]))

    def upper(self, share: float) -> Region:
        """The upper `share` of it in every frame, of what is seen of it in that frame."""
        mask = np.zeros_like(self.mask)
        for own, found in zip(mask, self.mask, strict=True):
            rows = np.flatnonzero((found > 0.5).any(1))
            if rows.size:
                last = rows[0] + max(1, round(share * (rows[-1] + 1 - rows[0])))
                own[:last] = found[:last]
        return Region(mask)

    def cells(self, period: int, grid: tuple[int, int, int]) -> Tensor:
        """The share of each cell that it covers, (f, h, w): a latent frame has the share of the frame of its `period`
        in which it covers most. grid: (f, h, w)."""
        first, rest = self.mask[:1], self.mask[1:]
        stacks = [torch.from_numpy(first)] + [torch.from_numpy(x) for x in np.split(rest, max(1, len(rest) // period))]
        frames = torch.stack([stack.amax(0) for stack in stacks if len(stack)])
        frames = frames[torch.linspace(0, len(frames) - 1, grid[0]).round().long()]
        return F.adaptive_avg_pool2d(frames[None], grid[1:])[0]


def soft(region: Region, pixels: int) -> np.ndarray:
    """The mask, float32 (F, H, W), that falls to 0 outside the region, over twice so many pixels."""
    if pixels <= 0:
        return region.mask
    wide = torch.from_numpy(region.grown(pixels).mask)[:, None]
    side = 2 * pixels + 1
    blurred = F.avg_pool2d(F.pad(wide, (pixels,) * 4, mode="replicate"), side, 1)[:, 0].numpy()
    return np.maximum(blurred, region.mask).astype(np.float32)
