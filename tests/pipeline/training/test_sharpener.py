"""The decoder that sharpens: at first nothing, later frames never in earlier ones, and windows that fit their truth."""

import numpy as np
import torch
from torch import Tensor

from pipeline.autoencoder import AutoencoderLinearVideo, scaled_latents
from pipeline.training.frames import to_video
from pipeline.training.models import sharpener

SMALL = {"latent_channels": 8, "scaling_factor": 1.0}


def sharpened(trained: bool) -> AutoencoderLinearVideo:
    torch.manual_seed(0)
    model = sharpener.with_sharpener(AutoencoderLinearVideo(**SMALL)).eval()
    if trained:
        for parameter in model.sharpener.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def latents(frames: int) -> Tensor:
    return torch.randn(1, 8, frames, 2, 3, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_an_untrained_sharpener_changes_nothing() -> None:
    model, z = sharpened(trained=False), latents(3)
    assert torch.equal(model.decode(z).sample, model.decode(z, sharpen=False).sample)
    assert model.decode(z).sample.shape == (1, 3, 9, 24, 36)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        name for name, _ in model.named_parameters() if name.startswith("sharpener.")
    }


@torch.no_grad()
def test_a_clip_that_gets_longer_keeps_its_frames_and_later_ones_look_back() -> None:
    model, z = sharpened(trained=True), latents(4)
    short, long = model.decode(z[:, :, :3]).sample, model.decode(z).sample
    assert torch.allclose(long[:, :, :9], short, atol=1e-5)
    assert not torch.allclose(short, model.decode(z[:, :, :3], sharpen=False).sample, atol=1e-2)
    other = z.clone()
    other[:, :, 0] += 1
    changed = (model.decode(other).sample - long).abs().amax((0, 1, 3, 4))
    assert (changed[1:5] > 1e-4).all(), "the next latent's frames see the last one before them"


@torch.no_grad()
def test_windows_are_of_the_frames_that_their_latents_are_of() -> None:
    chance = np.random.default_rng(0)
    model = AutoencoderLinearVideo(**SMALL)
    torch.nn.init.normal_(model.encoder.weight, generator=torch.Generator().manual_seed(0))
    frames = chance.integers(0, 256, (2, 17, 96, 144, 3), np.uint8)
    own = scaled_latents(model, to_video(frames))
    actors = torch.zeros(2, 5, 8, 12, dtype=torch.bool)
    actors[:, :, 6, 10] = True
    examples = sharpener.Examples(frames, own[:, None].half(), actors)
    z, video = sharpener.draw_windows(examples, 12, torch.Generator().manual_seed(3))
    assert z.shape == (12, 3, 8, 4, 4) and video.shape == (12, 3, 12, 48, 48)
    encoded = torch.nn.functional.conv3d(video, model.encoder.weight, stride=model.encoder.stride)
    assert torch.allclose(encoded.transpose(1, 2), z, atol=0.05 * 6)


def test_most_windows_show_an_actor() -> None:
    actors = torch.zeros(8, 12, dtype=torch.bool)
    actors[7, 11] = True
    chance = torch.Generator().manual_seed(0)
    corners = [sharpener._corner(actors, chance) for _ in range(400)]
    assert all(0 <= row <= 4 and 0 <= column <= 8 for row, column in corners)
    assert 0.7 < np.mean([row == 4 and column == 8 for row, column in corners]) < 0.85


def test_which_latents_show_an_actor() -> None:
    masks = torch.zeros(9, 24, 36, dtype=torch.bool)
    masks[0, 0, 0] = masks[5, 23, 35] = True
    shown = sharpener._shown(masks, 12)
    assert shown.shape == (3, 2, 3)
    assert shown.nonzero().tolist() == [[0, 0, 0], [2, 1, 2]]


def test_the_verdict_teaches_the_decoder_and_not_the_critic() -> None:
    trainer = sharpener.SharpenerTrainer(sharpener.with_sharpener(AutoencoderLinearVideo(**SMALL)))
    made = torch.randn(2, 3, 12, 48, 48, generator=torch.Generator().manual_seed(0), requires_grad=True)
    linear = torch.zeros(2, 3, 12, 48, 48)
    seen = sharpener.seen_by_critic(made, linear)
    assert trainer.critic(seen).shape == (2, 4, 12, 12)
    torch.autograd.backward(trainer.critic.verdict(seen))
    assert made.grad is not None and float(made.grad.abs().max()) > 0
    assert all(parameter.grad is None for parameter in trainer.critic.parameters())
