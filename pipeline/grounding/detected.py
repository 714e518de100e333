"""Search of films that are no picture book, by a detector, and if there is one by what follows a thing through a clip.

A detector sees single frames, so it tells who is where, not who does what: a tube is the longest run of frames in which
it is sure. Boxes between the frames that it looks at lie between theirs; with masks they are those of the masks, and
the tube begins and ends where the masks do. Times may be those of the embedded locator, which sees actions: then a tube
is what both found, at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from .detectors import DINO, SAM3, Detector, Said, kind_of, load_detector
from .masks import KINDS, MaskTracker
from .tubes import SLOW, Tube


class Times(Protocol):
    """What says when something is to be seen: `film.FilmLocator`."""

    def see(self, frames: np.ndarray) -> Any: ...

    def find(self, clip: Any, words: str) -> Tube | None: ...


@dataclass(frozen=True, eq=False)
class LookedAt:
    """A clip, uint8 (T, H, W, 3): every SLOW-th frame of it where nobody follows masks; and what says times saw."""

    pictures: np.ndarray
    frames: int  # T
    seen: Sequence[Any] = ()

    @property
    def nbytes(self) -> int:
        return self.pictures.nbytes + sum(window.nbytes for window in self.seen)


class DetectorFilm:
    """Searches films with a detector, as `film.FilmLocator` does with ours."""

    def __init__(self, detector: Detector, tracker: MaskTracker | None = None, times: Times | None = None) -> None:
        self.detector, self.tracker, self.times = detector, tracker, times

    @classmethod
    def load(
        cls,
        folder: Path,
        masks: Path | None = None,
        times: Times | None = None,
        device: str | torch.device = "cpu",
    ) -> DetectorFilm:
        """masks: the folder of what follows things; None for that of the detector, if it can do it. Raises
        ThroughlineError for folders of other kinds of model, WeightsError for weights that are missing or no
        safetensors."""
        detector = load_detector(folder, device)
        if masks is None and kind_of(folder, (*DINO, *SAM3)) in KINDS:
            masks = folder
        return cls(detector, MaskTracker.load(masks, device) if masks else None, times)

    @property
    def makes_masks(self) -> bool:
        return self.tracker is not None

    def see(self, frames: np.ndarray) -> tuple[LookedAt, ...]:
        """A clip, uint8 (T, H, W, 3). The detector computes nothing before somebody asks: it sees pictures with
        words."""
        kept = frames if self.tracker else frames[::SLOW]
        return (LookedAt(kept.copy(), len(frames), self.times.see(frames) if self.times else ()),)

    def find(self, clip: tuple[LookedAt, ...], words: str) -> Tube | None:
        """The longest run of frames in which the detector sees what words say; None if it is not there."""
        (looked,) = clip
        when = self.times.find(looked.seen, words) if self.times else None
        if self.times and when is None:
            return None
        found = self.detector.look(looked.pictures[:: SLOW if self.tracker else 1], words)
        runs = _runs([said.score >= self.detector.least_score for said in found])
        if not runs:
            return None
        first, last = max(runs, key=lambda run: run[1] - run[0])
        tube = _between(found[first : last + 1], first, looked.frames, last == len(found) - 1)
        if self.tracker:
            best = max(range(first, last + 1), key=lambda i: found[i].score)
            tube = _masked(self.tracker.masks(looked.pictures, best * SLOW, found[best].box), best * SLOW, tube)
        return tube if when is None else _cut(tube, when)


def _between(found: Sequence[Said], first: int, frames: int, to_the_end: bool) -> Tube:
    """The tube of boxes at every SLOW-th frame, the first one at SLOW `first`."""
    at = np.arange(first, first + len(found)) * SLOW
    times = np.arange(at[0], (frames - 1 if to_the_end else at[-1]) + 1)
    sides = np.stack([said.box for said in found]).T
    boxes = np.stack([np.interp(times, at, side) for side in sides], axis=1).astype(np.float32)
    return Tube(int(times[0]), int(times[-1]), boxes, max(said.score for said in found))


def _masked(masks: np.ndarray, at: int, tube: Tube) -> Tube:
    """The run of frames around `at` in which masks, bool (T, H, W), show something; the tube if there is none."""
    for first, last in _runs([bool(mask.any()) for mask in masks]):
        if first <= at <= last:
            own = masks[first : last + 1]
            return Tube(first, last, np.stack([_box(mask) for mask in own]), tube.score, own)
    return tube


def _box(mask: np.ndarray) -> np.ndarray:
    """Of a mask (H, W) that is not empty."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    height, width = mask.shape
    sides = (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)
    return np.array(sides, np.float32)


def _cut(tube: Tube, when: Tube) -> Tube | None:
    """A tube in the time of another one; None for no time in common."""
    first, last = max(tube.first, when.first), min(tube.last, when.last)
    if first > last:
        return None
    own = slice(first - tube.first, last - tube.first + 1)
    return replace(
        tube, first=first, last=last, boxes=tube.boxes[own], masks=None if tube.masks is None else tube.masks[own]
    )


def _runs(sure: list[bool]) -> list[tuple[int, int]]:
    """First and last index of every run of True."""
    runs, start = list[tuple[int, int]](), None
    for index, one in enumerate([*sure, False]):
        if one and start is None:
            start = index
        elif not one and start is not None:
            runs.append((start, index - 1))
            start = None
    return runs
