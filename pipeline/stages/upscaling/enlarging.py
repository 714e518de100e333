"""A clip enlarged by any upscaler of pictures, frame after frame and each in tiles that blend into one another.

Letters: F frames, B of them at once, H, W pixels of the clip, h, w those of a tile, s the scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

OVERLAP = 32  # pixels that neighbouring tiles share at least; half of it where tiles are small
PIXELS_AT_ONCE = 4 * 96 * 144  # of several frames' tiles: 150 MB at the peak for the one that ships


class PictureUpscaler(Protocol):
    """What enlarges pictures `scale` times. tile: pixels, the longest side that it is given at once."""

    @property
    def scale(self) -> int: ...
    @property
    def tile(self) -> int: ...
    def picture(self, x: Tensor, prompt: str, corner: tuple[int, int]) -> Tensor:
        """x: (B, 9, h, w) in -1..1, frames t - 1, t, t + 1 of a tile whose upper left pixel is `corner` in the frame,
        (row, column). prompt: what the clip shows. Gives frame t, (B, 3, s h, s w), on any device."""
        ...


@dataclass(frozen=True)
class Span:
    """A tile along one side: its first pixel, how many, and over how many it gives way to a neighbour on either end."""

    start: int
    length: int
    before: int
    after: int

    def weights(self, scale: int) -> Tensor:
        """(s length): how much it counts at every pixel that it gives. Where it gives way a squared sine, but nothing
        at its very edge, where a network lacks the pixels around."""
        place = torch.arange(self.length * scale) + 0.5
        return _rise(place, self.before * scale) * _rise(place.flip(0), self.after * scale)


def _rise(place: Tensor, over: int) -> Tensor:
    """From 0 to 1 in the middle half of so many pixels from place 0 on; two that meet there make 1."""
    share = torch.ones_like(place) if over == 0 else (2 * place / over - 0.5).clamp(0, 1)
    return torch.sin(share * math.pi / 2) ** 2


def spans(length: int, tile: int) -> list[Span]:
    """Tiles of at most `tile` pixels over a side of `length`, evenly apart."""
    if length <= tile:
        return [Span(0, length, 0, 0)]
    overlap = min(OVERLAP, tile // 2)
    count = -(-(length - overlap) // (tile - overlap))
    starts = [round(place * (length - tile) / (count - 1)) for place in range(count)]
    shared = [before + tile - after for before, after in pairwise(starts)]
    return [Span(start, tile, *ends) for start, *ends in zip(starts, [0, *shared], [*shared, 0], strict=True)]


def enlarge(upscaler: PictureUpscaler, frames: np.ndarray, prompt: str = "") -> Iterator[np.ndarray]:
    """Frame after frame, uint8 (s H, s W, 3), of a clip, uint8 (F, H, W, 3). Closing the generator cancels."""
    count, height, width, _ = frames.shape
    tiles = [spans(side, upscaler.tile) for side in (height, width)]
    largest = tiles[0][0].length * tiles[1][0].length
    at_once = max(1, PIXELS_AT_ONCE // largest)
    for start in range(0, count, at_once):
        windows = neighbours(frames, range(start, min(start + at_once, count)))
        pictures = _tiled(upscaler, windows, prompt, tiles)
        yield from ((pictures + 1) * 127.5).round().byte().movedim(1, -1).cpu().numpy()


def enlarged(upscaler: PictureUpscaler, frames: np.ndarray, prompt: str = "") -> np.ndarray:
    """All of them, uint8 (F, s H, s W, 3)."""
    return np.stack(list(enlarge(upscaler, frames, prompt)))


def neighbours(frames: np.ndarray, wanted: Sequence[int]) -> Tensor:
    """(len(wanted), 9, H, W) in -1..1: each of these frames between the one before and the one after; the ends of the
    clip stand twice."""
    last = len(frames) - 1
    triples = [[max(0, one - 1), one, min(last, one + 1)] for one in wanted]
    found = torch.from_numpy(frames[triples]).movedim(-1, 2).flatten(1, 2)
    return found.contiguous(memory_format=torch.channels_last).float() / 127.5 - 1  # a quarter faster on a CPU


@torch.no_grad()
def _tiled(upscaler: PictureUpscaler, x: Tensor, prompt: str, tiles: Sequence[Sequence[Span]]) -> Tensor:
    """x: (B, 9, H, W). Gives (B, 3, s H, s W), in -1..1."""
    scale = upscaler.scale
    if all(len(side) == 1 for side in tiles):
        return upscaler.picture(x, prompt, (0, 0)).float().clamp(-1, 1)
    total = torch.zeros(len(x), 3, x.shape[2] * scale, x.shape[3] * scale)
    counted = torch.zeros(total.shape[2:])
    for rows in tiles[0]:
        for columns in tiles[1]:
            cut = (slice(span.start, span.start + span.length) for span in (rows, columns))
            made = upscaler.picture(x[:, :, *cut], prompt, (rows.start, columns.start)).float().clamp(-1, 1).cpu()
            weights = rows.weights(scale)[:, None] * columns.weights(scale)
            there = tuple(slice(span.start * scale, (span.start + span.length) * scale) for span in (rows, columns))
            total[:, :, *there] += made * weights
            counted[there] += weights
    return total / counted
