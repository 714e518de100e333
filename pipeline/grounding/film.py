"""The tube locator with the encoders that it was trained with, whatever model films."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from transformers import CLIPVisionModelWithProjection

from ..backbones import hub
from ..backbones.checkpoints import assets_folder
from ..encoders.text import TextEncoder
from ..errors import ThroughlineError
from ..picturebook.said import looks_said
from .looks import FILE, Looks, load_looks
from .tubes import MOST_FRAMES, SeenClip, Tube, TubeLocator, load_locator, locator_folder

LEAST_SCORE = 0.5  # below it the answer is "not there"
OWN = "own"
LOCATOR = "THROUGHLINE_LOCATOR"  # own, or a detector; see `load`


class FilmSearch(Protocol):
    """What looks for words in clips."""

    @property
    def makes_masks(self) -> bool:
        """Whether tubes may have masks."""
        ...

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
    """locator, φ and τ, and what knows looks. Clips longer than the locator takes are searched in windows."""

    makes_masks = False

    def __init__(
        self,
        locator: TubeLocator,
        vision: CLIPVisionModelWithProjection,
        text: TextEncoder,
        looks: Looks | None = None,
    ) -> None:
        self.locator, self.vision, self.text, self.looks = locator, vision, text, looks

    @classmethod
    def shipped(cls, folder: Path | None = None) -> FilmLocator:
        """With the embedded encoders. Raises WeightsError if the locator is not there."""
        vision = CLIPVisionModelWithProjection.from_pretrained(folder or assets_folder() / "picturebook/image_encoder")
        return cls(load_locator(), vision.float().eval(), TextEncoder.minilm(), load_looks(locator_folder() / FILE))

    @torch.no_grad()
    def see(self, frames: np.ndarray) -> tuple[SeenClip, ...]:
        """A clip, uint8 (T, H, W, 3), in windows."""
        starts = range(0, len(frames), MOST_FRAMES)
        return tuple(self.locator.see(frames[start : start + MOST_FRAMES], self.vision) for start in starts)

    @torch.no_grad()
    def find(self, clip: tuple[SeenClip, ...], words: str) -> Tube | None:
        """The likeliest tube of what words say; None if it is not there. Raises ThroughlineError for too many words."""
        best, start = None, 0
        for window in clip:
            tube = self.tube(window, words)
            if best is None or tube.score > best.score:
                best = Tube(tube.first + start, tube.last + start, tube.boxes, tube.score)
            start += window.frames
        return best if best is not None and best.score >= LEAST_SCORE else None

    @torch.no_grad()
    def tube(self, window: SeenClip, words: str) -> Tube:
        """The likeliest tube of what words say, with its score. Raises ThroughlineError for too many words."""
        said = looks_said(words) if self.looks is not None else {}
        fits = partial(self.looks.fits, said=said) if self.looks is not None and said else None
        return self.locator.find(window, self.text.encode(words).hidden, fits)


def load(name: str | None = None) -> FilmSearch:
    """The tube locator that ships, "own", or a detector: DETECTOR, DETECTOR+MASKS or DETECTOR+MASKS+own. DETECTOR is
    the folder or hub id of a Grounding DINO or a SAM 3, MASKS that of a SAM 2 or 3, which follows what was found; with
    "+own" the time is what our locator says. None for what THROUGHLINE_LOCATOR says, "own" without it.

    Raises ThroughlineError for what is no detector, WeightsError for weights that are missing.
    """
    return _loaded(name or os.environ.get(LOCATOR) or OWN)


def masks_of(frames: np.ndarray, words: str) -> np.ndarray | None:
    """What words say, in a clip, uint8 (T, H, W, 3), by the detector that THROUGHLINE_LOCATOR names: bool (T, H, W).
    None without one that makes masks, and for what it does not find. Raises as `load` does."""
    if os.environ.get(LOCATOR, OWN) in ("", OWN) or not (film := load()).makes_masks:
        return None
    tube = film.find(film.see(frames), words)
    if tube is None or tube.masks is None:
        return None
    found = np.zeros(frames.shape[:3], bool)
    found[tube.first : tube.last + 1] = tube.masks
    return found


@lru_cache(1)
def _loaded(name: str) -> FilmSearch:
    if name == OWN:
        return FilmLocator.shipped()
    from .detected import DetectorFilm

    whole = Path(name).expanduser().is_dir()
    detector, *others = [name] if whole else name.split("+")
    times = FilmLocator.shipped() if OWN in others else None
    masks = [one for one in others if one != OWN]
    if len(masks) > 1:
        raise ThroughlineError(f"locator is {name!r}: expected DETECTOR, DETECTOR+MASKS or DETECTOR+MASKS+own")
    return DetectorFilm.load(_folder(detector), _folder(masks[0]) if masks else None, times)


def _folder(name: str) -> Path:
    """A local folder, or that of a repository of the hub, which is downloaded first if need be."""
    folder = Path(name).expanduser()
    return hub.fetch(name) if not folder.is_dir() and hub.is_hub_name(name) else folder
