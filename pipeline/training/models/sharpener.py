"""Trains the convolutional decoder that sharpens what the linear autoencoder blurs."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ...autoencoder import AutoencoderLinearVideo
from ..frames import to_video
from ..loop import Losses, Recipe, device_of, half_precision
from .vae import psnr, render_clips

RECIPE = Recipe("sharpener", 2500, 2e-3, 4, average=0.995, decay=0.4, adam_names=("sharpener",))
CHANNELS = 32
LATENT_NOISE = 0.05  # of unit spread: generated latents are never quite right
CLIP_POOL = range(500_000, 500_300)  # seeds of the stories whose clips it learns from


def with_sharpener(linear: AutoencoderLinearVideo) -> AutoencoderLinearVideo:
    """The same autoencoder with an untrained sharpener; only that is trained."""
    model = AutoencoderLinearVideo(**{**linear.config, "sharpen_channels": CHANNELS})
    model.load_state_dict(linear.state_dict(), strict=False)
    model.requires_grad_(False)
    model.sharpener.requires_grad_(True)
    return model


def make_losses(model: AutoencoderLinearVideo, batch_size: int) -> Callable[[torch.Generator], Losses]:
    """Five frames of each clip of a batch: the absolute error, which keeps edges, and a little of the squared one."""
    clips, device = render_clips(CLIP_POOL), device_of(model)

    def losses(generator: torch.Generator) -> Losses:
        rows = torch.randint(len(clips), (batch_size,), generator=generator)
        first = 4 * int(torch.randint(4, (), generator=generator))
        video = to_video(clips[rows.numpy()])[:, :, first : first + 5].to(device)
        latents = model.encode(video).latent_dist.mode()
        noise = torch.randn(latents.shape, generator=generator).to(device)
        latents = latents + LATENT_NOISE / model.config.scaling_factor * noise
        with half_precision(device):
            rebuilt = model.decode(latents).sample.float()
        absolute, squared = F.l1_loss(rebuilt, video), F.mse_loss(rebuilt, video)
        return {"loss": absolute + 2 * squared, "absolute": absolute, "psnr": -10 * (squared / 4).log10()}

    return losses


@torch.no_grad()
def held_out_psnr(model: AutoencoderLinearVideo, seeds: range) -> float:
    """dB over the clips of training-like stories with these seeds; lower seeds than CLIP_POOL's are other stories."""
    clips = to_video(render_clips(seeds)).to(device_of(model))
    rebuilt = torch.cat([model.decode(model.encode(part).latent_dist.mode()).sample for part in clips.split(4)])
    return psnr(rebuilt.clamp(-1, 1), clips)
