"""What users bring, clip or picture, as frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import images, video
from .fit import FIT, Fit


def read_any(
    path: Path, height: int, width: int, frames_per_second: float, still_frames: int, fit: Fit = FIT
) -> np.ndarray:
    """A clip, an animated picture or a still that lasts `still_frames`, uint8 (F, H, W, 3).

    Raises ThroughlineError for what is neither or can't be read, as `video.read_clip` and `images.read_frames` do.
    """
    if images.is_picture(path):
        most = video.MOST_BYTES // (height * width * 3)
        return images.read_frames(path, height, width, frames_per_second, still_frames, fit, most)
    return video.read_clip(path, height, width, frames_per_second, fit=fit)


def check_any(path: Path) -> None:
    """Raises ThroughlineError for what can't be a clip or a picture, after a look at its header only."""
    if not images.is_picture(path):
        video.check_clip(path)
