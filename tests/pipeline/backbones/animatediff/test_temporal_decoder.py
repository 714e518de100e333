"""A decoder that knows time: frames depend on their neighbours, and pictures are encoded as before."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.backbones.animatediff.latents import AT_ONCE, ImageLatents
from pipeline.backbones.checkpoints import find
from pipeline.backbones.counting import TokenCounter
from pipeline.backbones.registry import family_of
from tests import image_checkpoints

HERE = torch.device("cpu")


@pytest.fixture(scope="module")
def space() -> ImageLatents:
    with torch.random.fork_rng():
        torch.manual_seed(19)
        return ImageLatents(image_checkpoints.new_temporal_autoencoder(), lambda: HERE)


@torch.no_grad()
def test_a_frame_depends_on_its_neighbours_up_to_the_bound_of_what_is_decoded_together(space: ImageLatents) -> None:
    z = torch.randn(1, 4, AT_ONCE + 2, 4, 4, generator=torch.Generator().manual_seed(0))
    other = z.clone()
    other[:, :, 1] += 1
    one, two = space.decoded(z), space.decoded(other)
    differs = (one - two).abs().amax((0, 1, 3, 4))
    assert one.shape == (1, 3, AT_ONCE + 2, 8, 8)
    assert (differs[:3] > 1e-4).all() and not differs[AT_ONCE:].any()


@torch.no_grad()
def test_a_clip_is_encoded_frame_by_frame(space: ImageLatents) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    whole = space.encode(clip)
    assert whole.shape == (1, 3, 4, 8, 8)
    torch.testing.assert_close(whole[:, 1:2], space.encode(clip[1]), rtol=1e-4, atol=1e-5)


def test_the_family_is_the_same_and_so_are_its_prompts(tmp_path: Path) -> None:
    folder = find(str(image_checkpoints.save_with_temporal_decoder(tmp_path / "model")))
    assert family_of(folder).name == "animatediff" and TokenCounter.of(folder).max_tokens == 77
