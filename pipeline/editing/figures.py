"""Who is where in every frame of a clip of the picture book: the localiser's mask, shared out among figures.

Letters: F frames, H, W pixels.
"""

from __future__ import annotations

import numpy as np

from ..picturebook.localiser import PLACE, Localiser
from .region import Region

LEAST = 0.006  # share of the picture from which there is a figure
ROUNDS = 8  # of 2-means, in each frame
APART = 0.22  # of the width, between the middles of two figures


def figures(localiser: Localiser, frames: np.ndarray) -> tuple[Region, ...]:
    """The figures with their things, from left to right, in frames uint8 (F, H, W, 3) at the localiser's size: none,
    one or two, who do not change sides."""
    found = np.stack(localiser.masks(list(frames))) != PLACE
    if found.mean() < LEAST:
        return ()
    middles = _middles(found)
    if middles is None:
        return (Region(found.astype(np.float32)),)
    columns, masks = np.arange(found.shape[2]), np.zeros((2, *found.shape), np.float32)
    for t, own in enumerate(found):
        middles = _two_means(own.sum(0), middles) or middles
        nearer = np.abs(columns - middles[1]) < np.abs(columns - middles[0])
        masks[0, t], masks[1, t] = own & ~nearer, own & nearer
    return tuple(Region(mask) for mask in masks)


def _middles(found: np.ndarray) -> tuple[float, float] | None:
    """Of two figures in the first frame, in columns; None if there is one, by all frames together."""
    width = found.shape[2]
    middles = _two_means(found[0].sum(0), (0.3 * width, 0.7 * width))
    if middles is None or middles[1] - middles[0] < APART * width:
        return None
    apart, current = 0, middles
    for own in found:
        current = _two_means(own.sum(0), current) or current
        apart += current[1] - current[0] >= APART * width and _has_gap(own.sum(0), current)
    return middles if apart > len(found) / 2 else None


def _has_gap(counts: np.ndarray, middles: tuple[float, float]) -> bool:
    """Whether there is next to nothing of them somewhere between two middles."""
    between = counts[round(middles[0]) : round(middles[1]) + 1]
    return bool(len(between) and between.min() <= 0.2 * between.max())


def _two_means(counts: np.ndarray, middles: tuple[float, float]) -> tuple[float, float] | None:
    """Lloyd's algorithm over columns; None if one of two has next to nothing."""
    columns = np.arange(len(counts))
    for _ in range(ROUNDS):
        right = np.abs(columns - middles[1]) < np.abs(columns - middles[0])
        weights = counts * ~right, counts * right
        if min(w.sum() for w in weights) < 0.15 * counts.sum() or not counts.sum():
            return None
        middles = tuple(float((w * columns).sum() / w.sum()) for w in weights)  # type: ignore[assignment]
    return middles
