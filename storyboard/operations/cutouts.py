"""A figure out of a frame: where it is, and the frame with nothing else.

Does not cover: who it is.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from pipeline.errors import ThroughlineError

GROUND = 128  # grey level of what is left out
FOUND, THIS = 100, 200  # grey levels of all figures and of one
LEAST_SIDE = 4  # pixels of a box

Box = tuple[float, float, float, float]  # left, top, right, bottom, shares of the frame


def box_mask(frame: np.ndarray, box: Box) -> np.ndarray:
    """Where a box is, bool (H, W), of a frame, uint8 (H, W, 3). Raises ThroughlineError for one that is not inside."""
    height, width, _ = frame.shape
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ThroughlineError(f"box is {list(box)}: expected left, top, right, bottom as shares, 0 to 1")
    x, y = (round(left * width), round(right * width)), (round(top * height), round(bottom * height))
    if min(x[1] - x[0], y[1] - y[0]) < LEAST_SIDE:
        raise ThroughlineError(f"box is {x[1] - x[0]} x {y[1] - y[0]} pixels: expected at least {LEAST_SIDE} each way")
    mask = np.zeros((height, width), bool)
    mask[y[0] : y[1], x[0] : x[1]] = True
    return mask


def figure_at(found: np.ndarray, across: float, down: float) -> np.ndarray:
    """Of figures, bool (H, W), the one at or nearest to a place, shares of the frame. Raises ThroughlineError if there
    is none."""
    if not found.any():
        raise ThroughlineError("no figure was found in the frame: expected a box around it")
    height, width = found.shape
    rows, columns = np.nonzero(found)
    distance = (rows - down * (height - 1)) ** 2 + (columns - across * (width - 1)) ** 2
    nearest = int(distance.argmin())
    picture = Image.fromarray(found.astype(np.uint8) * FOUND).copy()  # one that can be drawn on
    ImageDraw.floodfill(picture, (int(columns[nearest]), int(rows[nearest])), THIS)
    return np.asarray(picture) == THIS  # type: ignore[no-any-return]


def cut_out(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The frame, uint8 (H, W, 3), with even grey where the mask, bool (H, W), is not."""
    return np.where(mask[..., None], frame, np.uint8(GROUND))
