"""A timestep for every latent frame."""

import pytest
import torch

from pipeline.blocks.attention import AttentionContext
from pipeline.blocks.times import shared
from tests.pipeline.test_transformer import FRAMES, KINDS, H, inputs, models


def per_frame(given: dict, frames: torch.Tensor | None = None) -> dict:
    """The same, each timestep once for every latent frame. frames: other timesteps (B, f)."""
    times = given["timestep"][:, None].expand(-1, FRAMES) if frames is None else frames
    return given | {"timestep": times}


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_equal_timesteps_are_the_one_timestep_bit_for_bit(kind: str) -> None:
    _, story = models(kind, gate=1.0)
    given = inputs(kind)
    told = {"history": torch.randn(2, H, 12), "context": AttentionContext()}
    assert torch.equal(story(**given).sample, story(**per_frame(given)).sample)
    assert torch.equal(story(**given, **told).sample, story(**per_frame(given), **told).sample)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_frames_go_by_their_own_timesteps(kind: str) -> None:
    """Computed frame by frame, equal timesteps give the same up to rounding, and a frame's own timestep changes it."""
    _, story = models(kind, gate=1.0)
    given = inputs(kind)
    plain = story(**given).sample
    rows = given["timestep"]
    mixed = torch.stack([rows[0].expand(FRAMES), torch.tensor([10, 10, 500, 500])])  # a token of 1.5 covers two
    computed = story(**per_frame(given, mixed)).sample
    assert torch.allclose(computed[0], plain[0], atol=1e-5)
    assert not torch.allclose(computed[1], plain[1], atol=1e-3)


@torch.no_grad()
def test_the_noisiest_frame_tells_text_and_history_the_time() -> None:
    _, story = models("2b", gate=1.0)
    times = story._times(torch.tensor([[3, 3, 900, 10]]), None, None, torch.float32)
    alone = story._times(torch.tensor([900]), None, None, torch.float32)
    assert times.frames is not None and times.frames.shape == (1, 4, times.whole.shape[-1])
    assert torch.allclose(times.whole, alone.whole, atol=1e-6) and torch.allclose(
        times.frames[:, 2], alone.whole, atol=1e-6
    )


def test_shared_timesteps() -> None:
    assert shared(torch.tensor([[7, 7], [9, 9]])).tolist() == [7, 9]
    assert shared(torch.tensor([[7, 7], [9, 8]])).tolist() == [[7, 7], [9, 8]]
    assert shared(torch.tensor([7, 9])).tolist() == [7, 9]
