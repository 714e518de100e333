"""The tube locator with the encoders that it was trained with, whatever model films."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from transformers import CLIPVisionModelWithProjection

from ..backbones.checkpoints import assets_folder
from ..encoders.text import TextEncoder
from .tubes import MOST_FRAMES, SeenClip, Tube, TubeLocator, load_locator

LEAST_SCORE = 0.5  # below it the answer is "not there"
LOCATOR = "THROUGHLINE_LOCATOR"  # own, or the folder of a detector


class FilmSearch(Protocol):
    """What looks for words in clips."""

    def see(self, frames: np.ndarray) -> Sequence[Seen]:
        """A clip, uint8 (T, H, W, 3), in parts, before anything is asked."""
        ...

    def find(self, clip: Any, words: str) -> Tube | None:
        """The tube of what words say in what `see` gave; None if it is not there."""
        ...


class Seen(Protocol):
    """A part of a clip."""

    @property
    def nbytes(self) -> int: ...


class FilmLocator:
    """locator, φ and τ. Clips longer than the locator takes are searched in windows."""

    def __init__(self, locator: TubeLocator, vision: CLIPVisionModelWithProjection, text: TextEncoder) -> None:
        self.locator, self.vision, self.text = locator, vision, text

    @classmethod
    def shipped(cls, folder: Path | None = None) -> FilmLocator:
        """With the embedded encoders. Raises WeightsError if the locator is not there."""
        vision = CLIPVisionModelWithProjection.from_pretrained(folder or assets_folder() / "picturebook/image_encoder")
        return cls(load_locator(), vision.float().eval(), TextEncoder.minilm())

    @torch.no_grad()
    def see(self, frames: np.ndarray) -> tuple[SeenClip, ...]:
        """A clip, uint8 (T, H, W, 3), in windows."""
        starts = range(0, len(frames), MOST_FRAMES)
        return tuple(self.locator.see(frames[start : start + MOST_FRAMES], self.vision) for start in starts)

    @torch.no_grad()
    def find(self, clip: tuple[SeenClip, ...], words: str) -> Tube | None:
        """The likeliest tube of what words say; None if it is not there. Raises ThroughlineError for too many words."""
        hidden, best, start = self.text.encode(words).hidden, None, 0
        for window in clip:
            tube = self.locator.find(window, hidden)
            if best is None or tube.score > best.score:
                best = Tube(tube.first + start, tube.last + start, tube.boxes, tube.score)
            start += window.frames
        return best if best is not None and best.score >= LEAST_SCORE else None


def load(name: str | None = None) -> FilmSearch:
    """The tube locator that ships, or the detector in a folder; None for what THROUGHLINE_LOCATOR says, "own" without
    it. Raises ThroughlineError for a folder that holds no detector, WeightsError for weights that are missing."""
    name = name or os.environ.get(LOCATOR) or "own"
    if name == "own":
        return FilmLocator.shipped()
    from .detectors import DetectorFilm

    return DetectorFilm.load(Path(name).expanduser())
