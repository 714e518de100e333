"""Finished pictures: drafts enlarged by the upscaler that ships or by one of the user's own, and with frames drawn
between theirs (`pipeline.stages`).

Scenes remember drafts; what is finished is shown and exported, and has no part in what depends on what. Importing this
module loads no torch.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.backbones import checkpoints
from pipeline.errors import ThroughlineError
from pipeline.stages.upscaling import folders

if TYPE_CHECKING:  # they load torch and numpy
    import numpy as np

    from pipeline.stages.upscaling.enlarging import PictureUpscaler

MOST_WIDTH = 240  # pixels of a draft: what ships knows pictures of the embedded model's size


class Finisher:
    """own: an upscaler's file or folder, as `pipeline.stages.upscaling.folders` has them; None for the one that ships.
    device: where it is to run, None for a GPU if there is one.

    Raises ThroughlineError for what is no upscaler.
    """

    def __init__(self, own: str | None = None, device: str | None = None) -> None:
        self._own, self._device = Path(own).expanduser() if own else None, device
        self._loading = threading.Lock()
        self._upscaler: PictureUpscaler | None = None
        self._hears = self._own is not None and folders.check(self._own) == "diffusion"

    def check(self, width: int, scale: int | None = None) -> None:
        """Raises ThroughlineError for drafts that it can't finish, or can't make `scale` times as large."""
        if scale is not None and scale != self.upscaler.scale:
            raise ThroughlineError(f"finish is {scale}: expected {self.upscaler.scale}, as the upscaler enlarges")
        if self._own is None and width > MOST_WIDTH:
            raise ThroughlineError(
                f"the clip is {width} pixels wide: expected at most {MOST_WIDTH} for the upscaler that ships, or "
                "one of your own, --upscaler FOLDER"
            )

    @cached_property
    def digest(self) -> str:
        """Of all that decides what a finished clip looks like."""
        upscaler = checkpoints.digest(folders.shipped_folder()) if self._own is None else folders.digest(self._own)
        between = checkpoints.digest(checkpoints.assets_folder() / "interpolator")
        return hashlib.sha256(f"{upscaler} {between}".encode()).hexdigest()

    def heard(self, prompt: str) -> str:
        """As much of a clip's prompt as decides what it looks like: nothing, but for upscalers that are told of it."""
        return prompt if self._hears else ""

    @property
    def upscaler(self) -> PictureUpscaler:
        """Loaded when first asked for. Raises WeightsError."""
        with self._loading:
            if self._upscaler is None:
                self._upscaler = self._loaded()
            return self._upscaler

    def _loaded(self) -> PictureUpscaler:
        if self._own is None:
            return folders.load_shipped()
        from pipeline.loading import find_device

        return folders.load(self._own, find_device(self._device))

    def frames(self, draft: np.ndarray, prompt: str) -> Iterator[np.ndarray]:
        """Frame after frame, uint8 (s H, s W, 3), of a draft, uint8 (F, H, W, 3). prompt: what it shows."""
        from pipeline.stages.upscaling.enlarging import enlarge

        self.check(draft.shape[2])
        return enlarge(self.upscaler, draft, prompt)


def drawn_rate(width: int, own: float, wanted: float | None) -> float:
    """Frames a second to which pictures of a clip at `own` are drawn for a film at `wanted` (None: as it is). Wider
    ones than the model knows keep their rate: the film shows them again or leaves some out."""
    return wanted if wanted and wanted > own and width <= MOST_WIDTH else own


def smoothed(frames: np.ndarray, own: float, rate: float) -> np.ndarray:
    """uint8 (F, H, W, 3) at `own` frames a second to as long a clip at `rate`; a second or two on two cores."""
    from pipeline.stages.interpolation import smooth

    return smooth(frames, own, rate) if rate != own else frames
