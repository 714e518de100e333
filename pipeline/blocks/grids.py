"""Tokens of one picture or clip at several resolutions, as the layers of a U-Net have them.

Letters: f frames, h, w tokens a side of a frame, n tokens of a frame at another resolution, K anything.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def sides(n: int, grid: tuple[int, int]) -> tuple[int, int]:
    """Of n tokens of a picture whose sides are as those of `grid`."""
    scale = (n / (grid[0] * grid[1])) ** 0.5
    return round(grid[0] * scale), round(grid[1] * scale)


def at_grid(x: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Values (K, h w) of the cells of a grid at those of another one, (K, n): repeated, or the mean of what a larger
    cell covers."""
    if old == new:
        return x
    return F.interpolate(x.unflatten(-1, old)[:, None].float(), new, mode="area").flatten(1)


def clip_at_grid(x: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """Values (K, f n) of a clip's tokens at those of a grid (f, h, w), (K, f h w)."""
    f, *own = grid
    if x.shape[-1] == f * own[0] * own[1]:
        return x
    frames = x.unflatten(-1, (f, -1)).flatten(0, 1)
    found = at_grid(frames, sides(frames.shape[-1], (own[0], own[1])), (own[0], own[1]))
    return found.unflatten(0, (-1, f)).flatten(1)
