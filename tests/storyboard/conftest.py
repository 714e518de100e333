"""What the tests of the storyboard share: a tiny model on disk, and clips that ffmpeg made."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from storyboard.media.video import write_video


@pytest.fixture(scope="session", autouse=True)
def _few_for_the_scales() -> Iterator[None]:
    """The meter's scales from a few drawn clips: the tiny model has nothing to tell apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storyboard.continuity.meter.CALIBRATION_STORIES", 3)
        yield


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder like `assets/picturebook/`. Not to be changed: copy it first."""
    from tests.tiny import save_tiny  # loads torch, which tests of files need not wait for

    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def pipeline():
    from tests.tiny import tiny_pipeline

    return tiny_pipeline()


@pytest.fixture(scope="session")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 30 frames a second, 80 x 120, from dark to light. Not to be changed."""
    path = tmp_path_factory.mktemp("clips") / "mine.mp4"
    write_video(path, gradient(60, 80, 120), 30)
    return path


def gradient(frames: int, height: int, width: int) -> np.ndarray:
    """Frames that get lighter with time, brighter to the right, with some grain: uint8 (F, H, W, 3)."""
    light = np.linspace(20, 150, frames)[:, None, None, None] + np.linspace(0, 60, width)[None, None, :, None]
    grain = np.random.default_rng(0).uniform(0, 25, (frames, height, width, 3))
    return (light + grain).astype(np.uint8)


@pytest.fixture(scope="session")
def going_on():
    """Makes 9 frames at once, and longer clips piece by piece."""
    from tests.tiny import tiny_pipeline

    return tiny_pipeline(piece=9)
