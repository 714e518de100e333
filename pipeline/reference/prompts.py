"""Kept mentions as image prompts, for models that read pictures beside the text (`Limits.prompts`).

Each kept mention that has a look is cut out of its keyframe, so that nothing is read of what was not kept, and counts
where it was looked at there: the best that is known of a clip which there is not yet. Where several were looked at, the
one that covers the fewest patches counts alone, figures before grounds.

Letters: M kept mentions that have a look, R patches of a keyframe, h, w latents a side, r pictures, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..backbones.base import Backbone, ImagePrompts
from ..encoders.image import CLIP_MEAN
from ..history import Reference
from .attention import layers, to_latents

GROUND = np.round(255 * np.array(CLIP_MEAN)).astype(np.uint8)  # what image encoders see nothing in


def cut_outs(keyframe: np.ndarray, patches: Tensor, grid: tuple[int, int]) -> list[np.ndarray]:
    """A square for each mention, uint8 (S, S, 3), S as it needs: what it looks like, the rest the colour of nothing.

    keyframe: uint8 (H, W, 3). patches: bool (M, R) of a grid.
    """
    height, width = keyframe.shape[:2]
    rows, columns = (torch.arange(n) * cells // n for n, cells in ((height, grid[0]), (width, grid[1])))
    seen = patches.unflatten(1, grid)[:, rows][:, :, columns].numpy()
    return [_square(np.where(one[..., None], keyframe, GROUND), one) for one in seen]


def _square(picture: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The smallest square around what is there, uint8 (S, S, 3)."""
    (top, bottom), (left, right) = ((found.min(), found.max() + 1) for found in np.nonzero(there))
    part = picture[top:bottom, left:right]
    side = max(part.shape[:2])
    square = np.full((side, side, 3), GROUND, np.uint8)
    y, x = (side - part.shape[0]) // 2, (side - part.shape[1]) // 2
    square[y : y + part.shape[0], x : x + part.shape[1]] = part
    return square


def image_prompts(references: Sequence[Reference], backbone: Backbone) -> ImagePrompts:
    """Of all that is remembered, each where it counts."""
    tokens = torch.cat([one.tokens for one in references if one.tokens is not None])
    width, taken = references[0].latents.shape[-1], torch.zeros_like(references[0].patches[0])
    order, masks = list[int](), list[Tensor]()
    for number, patches in reversed(layers(references)):
        own, taken = patches & ~taken, taken | patches
        if own.any():
            order.append(number)
            masks.append(to_latents(own, backbone.patch, width))
    return ImagePrompts(tokens[order], torch.stack(masks).float())
