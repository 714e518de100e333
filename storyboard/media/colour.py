"""Colours that 8 bits of limited-range BT.709 can hold: 219 steps of luma and 224 of chroma for 256 of each primary.

Rounded each on its own, luma and chroma may together be 1.64 of 255 off in blue (ITU-R BT.709-6, section 3). Rounded
together, no channel is off by more than 1; and what came from such a file goes into another one unchanged.
"""

from __future__ import annotations

from itertools import product

import numpy as np

RED, GREEN, BLUE = 0.2126, 0.7152, 0.0722  # shares of luma
LUMA = np.array([RED, GREEN, BLUE], np.float32) * 219 / 255
BLUENESS = np.array([-RED, -GREEN, 1 - BLUE], np.float32) / (2 * (1 - BLUE)) * 224 / 255
REDNESS = np.array([1 - RED, -GREEN, -BLUE], np.float32) / (2 * (1 - RED)) * 224 / 255
TO_YUV = np.stack([LUMA, BLUENESS, REDNESS])
TO_RGB = np.linalg.inv(TO_YUV).astype(np.float32)
CORNERS = np.array(list(product((0, 1), repeat=3)), np.float32)
MOST_OFF = 1.45  # in blue, before it is rounded


def holdable(frame: np.ndarray) -> np.ndarray:
    """A frame, uint8 (H, W, 3), with every colour that plain rounding would move by 2 replaced by one that stays."""
    red, green, blue = (frame[..., channel].astype(np.float32).ravel() for channel in range(3))
    luma, blueness = (w[0] * red + w[1] * green + w[2] * blue for w in (LUMA, BLUENESS))  # far faster than @
    off = (np.rint(luma) - luma) * TO_RGB[2, 0] + (np.rint(blueness) - blueness) * TO_RGB[2, 1]
    (places,) = np.nonzero(np.abs(off) > MOST_OFF)
    if not len(places):
        return frame
    found = frame.reshape(-1, 3).copy()
    found[places] = _nearest(found[places].astype(np.float32))
    return found.reshape(frame.shape)


def _nearest(colours: np.ndarray) -> np.ndarray:
    """Of the eight colours around each one, (N, 3), that can be held, the nearest, uint8 (N, 3)."""
    held = np.floor(colours @ TO_YUV.T)[:, None] + CORNERS  # (N, 8, 3)
    shown = np.clip(np.rint(held @ TO_RGB.T), 0, 255)
    best = np.abs(shown - colours[:, None]).max(-1).argmin(1)
    found: np.ndarray = shown[np.arange(len(colours)), best].astype(np.uint8)
    return found
