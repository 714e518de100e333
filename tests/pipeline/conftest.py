"""A small autoencoder and a small training set, made once for all tests of the training."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.autoencoder import AutoencoderLinearVideo
from pipeline.training.dataset import shards
from pipeline.training.models.vae import fit_linear, render_clips


@pytest.fixture(scope="session")
def fitted() -> tuple[AutoencoderLinearVideo, np.ndarray]:
    frames = render_clips(range(12))
    return fit_linear(frames, latent_channels=32), frames


@pytest.fixture(scope="module")
def little_set(tmp_path_factory: pytest.TempPathFactory, fitted) -> Iterator[Path]:
    """A shard of ten stories; shards have ten stories while it is used."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "STORIES_PER_SHARD", 10)
        shards.make_shard(folder, 0, fitted[0])
        yield folder
