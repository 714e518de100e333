"""Clips that begin or end with frames that are there already, and clips of any length, piece by piece, of models that
do not make them in windows (`pipeline.blocks.windows`).

A piece after the first begins with the last five frames of the one before, a still and four frames that show its
motion, which stay as they are: their latent frames are at a timestep near 0 while the others are made (prediction from
context frames, Blattmann et al. 2023, by a timestep for every latent frame, Chen et al. 2024). Each remembers what the
scene remembers. A picture with which a clip ends is the still of its last latent frame, of the last piece or window.
A first piece is the same whatever comes after it, so a scene that gets longer keeps its beginning.

Letters: F frames (4 k + 1), H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ThroughlineError

if TYPE_CHECKING:  # it loads torch
    from ..backbones.base import Limits

CONTEXT = 5  # frames of a piece with which the next one begins
SEEDS = 1_000_003  # from the seed of a piece to that of the next one


@dataclass(frozen=True)
class Piece:
    """frames: how many it has, with those that it begins with; known: how many these are."""

    frames: int
    known: int


def pieces(num_frames: int, known: int, longest: int, period: int) -> tuple[Piece, ...]:
    """What a clip is made of. known: frames that it begins with, none, 1 or 1 + k `period`, of which the last is the
    first of its `num_frames`; longest: frames of a piece, 1 + k `period`, more than CONTEXT."""
    missing = num_frames - 1 if known else num_frames
    found = [Piece(min(longest, known + missing), known)]
    missing -= found[0].frames - known
    while missing > 0:
        found.append(Piece(CONTEXT + min(missing, (longest - CONTEXT) // period * period), CONTEXT))
        missing -= found[-1].frames - CONTEXT
    return tuple(found)


def joined(made: np.ndarray | None, clip: np.ndarray, known: int) -> np.ndarray:
    """The frames so far, uint8 (F, H, W, 3), with those of the next piece. made: None before the first one, of whose
    known frames the last stays."""
    if made is None:
        return clip[max(known - 1, 0) :]
    return np.concatenate([made, clip[known:]])


def ending(frames: np.ndarray, stride: float = 1.0) -> np.ndarray:
    """The frames with which the next clip begins: the last CONTEXT of a clip's (F, H, W, 3), `stride` apart; only the
    last one of a clip that has fewer."""
    if len(frames) <= (CONTEXT - 1) * stride:
        return frames[-1:].copy()
    return frames[[len(frames) - 1 - round(i * stride) for i in reversed(range(CONTEXT))]]


def check_known(
    beginning: np.ndarray | None,
    ending: np.ndarray | None,
    limits: Limits,
    num_frames: int,
    size: tuple[int, int],
    period: int,
) -> None:
    """Raises ThroughlineError for frames that a clip of that size can't begin or end with. beginning: uint8
    (1 or 1 + `period`, H, W, 3), of a model that is told of pictures at least one, of which the last counts; ending:
    uint8 (1, H, W, 3)."""
    if ending is not None:
        if not limits.ends:
            raise ThroughlineError("ending is given: expected none, this model does not end with a picture")
        if num_frames < 2:
            raise ThroughlineError(f"num_frames is {num_frames}: expected 2 or more for a clip with an ending")
        _check_frames("ending", ending, size, (1,))
    if beginning is None:
        if limits.pictures:
            raise ThroughlineError("beginning is missing: expected a picture, this model makes clips that start so")
    elif limits.pictures:
        _check_frames("beginning", beginning[-1:], size, (1,))
    elif not limits.piece:
        raise ThroughlineError("beginning is given: expected none, this model does not go on from frames")
    else:
        _check_frames("beginning", beginning, size, (1, 1 + period))


def _check_frames(name: str, frames: np.ndarray, size: tuple[int, int], counts: tuple[int, ...]) -> None:
    if frames.shape not in [(count, *size, 3) for count in counts] or frames.dtype != np.uint8:
        many = " or ".join(map(str, counts))
        expected = f"{many} frame{'s' * (counts != (1,))} of {size[0]} x {size[1]} pixels, uint8"
        raise ThroughlineError(f"{name} has shape {frames.shape}, {frames.dtype}: expected {expected}")
