"""Clips to one film: cuts, cross-fades and dips to black, and where in the film each scene begins.

Shapes: F frames, H rows, W columns; frames are uint8. Two clips are held at a time, however long the film is.

Does not cover: sound, clips of different sizes or rates (`storyboard.export.film` makes them fit).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.errors import ThroughlineError

from ..document.story import Seam


class Passage(NamedTuple):
    """A seam in frames: the last `out` of one clip and the first `into` of the next are not shown as they are."""

    out: int
    into: int
    shared: int  # of these, how many the two clips show at once


def passage(seam: Seam, before: int, after: int, frames_per_second: float) -> Passage:
    """A seam between clips of `before` and `after` frames. It takes at most half of each, so that the two seams of a
    clip never meet; what is longer is shortened, down to a cut."""
    frames = round(seam.seconds * frames_per_second)
    if seam.kind == "cross-fade":
        shared = min(frames, before // 2, after // 2)
        return Passage(shared, shared, shared)
    if seam.kind == "dip to black":
        return Passage(min(frames - frames // 2, before // 2), min(frames // 2, after // 2), 0)
    return Passage(0, 0, 0)


def join(
    clips: Iterable[np.ndarray], seams: Iterable[Seam], frames_per_second: float
) -> Iterator[np.ndarray]:  # clips: (F, H, W, 3), yields (H, W, 3)
    """The frames of the film. Each scene's seam says how it follows the scene before; that of the first one is ignored.

    Raises ThroughlineError for clips of another size than the first one, ValueError for more clips than seams or fewer.
    """
    before: np.ndarray | None = None
    shown = 0  # frames of `before` that are in the film already
    for number, (clip, seam) in enumerate(zip(clips, seams, strict=True), 1):
        if before is not None:
            _check_size(number, before, clip)
            seam_frames = passage(seam, len(before), len(clip), frames_per_second)
            yield from before[shown : len(before) - seam_frames.out]
            yield from _mixed(before[len(before) - seam_frames.out :], clip[: seam_frames.into], seam_frames)
            shown = seam_frames.into
        before = clip
    if before is not None:
        yield from before[shown:]


def _mixed(end: np.ndarray, start: np.ndarray, seam_frames: Passage) -> Iterator[np.ndarray]:
    """The frames of a seam, (H, W, 3)."""
    if seam_frames.shared:
        for i in range(seam_frames.shared):
            share = (i + 1) / (seam_frames.shared + 1)
            yield _rounded(end[i] * (1 - share) + start[i] * share)
        return
    for i in range(seam_frames.out):  # the last of these is black
        yield _rounded(end[i] * (1 - (i + 1) / seam_frames.out))
    for i in range(seam_frames.into):
        yield _rounded(start[i] * ((i + 1) / (seam_frames.into + 1)))


def _rounded(frame: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.rint(frame).astype(np.uint8)
    return rounded


def _check_size(number: int, before: np.ndarray, clip: np.ndarray) -> None:
    if before.shape[1:] != clip.shape[1:]:
        found, expected = (f"{shape[2]} x {shape[1]}" for shape in (clip.shape, before.shape))
        raise ThroughlineError(f"clip {number} is {found} pixels: expected {expected} as the clip before it")


def scene_starts(lengths: Sequence[int], seams: Sequence[Seam], frames_per_second: float) -> list[int]:
    """The film's frame, from 0, in which each scene begins to be seen. lengths: frames of each clip."""
    starts = [0] if lengths else []
    for before, after, seam in zip(lengths, lengths[1:], seams[1:], strict=False):
        starts.append(starts[-1] + before - passage(seam, before, after, frames_per_second).shared)
    return starts


def scene_marks(lengths: Sequence[int], seams: Sequence[Seam], frames_per_second: float) -> list[float]:
    """Seconds into the film at which each scene begins to be seen."""
    return [start / frames_per_second for start in scene_starts(lengths, seams, frames_per_second)]


def film_length(lengths: Sequence[int], seams: Sequence[Seam], frames_per_second: float) -> int:
    """Frames of the film."""
    return scene_starts(lengths, seams, frames_per_second)[-1] + lengths[-1] if lengths else 0
