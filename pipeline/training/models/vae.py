"""Fits the linear autoencoder in closed form, then trains the decoder that sharpens it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...autoencoder import AutoencoderLinearVideo, scaled_latents
from ...picturebook import renderer, world
from ..frames import to_video


def render_clips(seeds: range) -> np.ndarray:
    """All clips of some training stories, uint8 (N, F, H, W, 3)."""
    return np.stack(
        [renderer.render(scene, masks=False).frames for seed in seeds for scene in world.training_story(seed).scenes]
    )


def fit_linear(frames: np.ndarray, latent_channels: int = 128, patch_size: int = 12) -> AutoencoderLinearVideo:
    """Principal components of the space-time patches of `frames`, uint8 (N, F, H, W, 3)."""
    vae = AutoencoderLinearVideo(latent_channels=latent_channels, patch_size=patch_size)
    patches = torch.cat([_patches(to_video(part), vae) for part in np.array_split(frames, max(1, len(frames) // 64))])
    mean = patches.mean(0)
    covariance = torch.cov(patches.T)
    spectrum, components = torch.linalg.eigh(covariance)
    spectrum, components = spectrum.flip(0)[:latent_channels], components.flip(1)[:, :latent_channels]
    with torch.no_grad():
        vae.mean.copy_(mean.view_as(vae.mean))
        vae.encoder.weight.copy_(components.T.reshape(vae.encoder.weight.shape))
    vae.requires_grad_(False)
    scale = float(spectrum.mean().rsqrt())
    vae.register_to_config(scaling_factor=scale, latents_std=(spectrum.sqrt() * scale).tolist())
    vae.register_to_config(latents_motion_std=motion_std(vae, frames))
    return vae


@torch.no_grad()
def motion_std(vae: AutoencoderLinearVideo, frames: np.ndarray) -> list[float]:
    """Spread of every scaled component about its mean over the time of a clip, of clips uint8 (N, F, H, W, 3)."""
    parts = [scaled_latents(vae, to_video(part)) for part in np.array_split(frames, max(1, len(frames) // 64))]
    latents = torch.cat(parts)
    deviation = latents - latents.mean(1, keepdim=True)
    return deviation.square().mean((0, 1, 3, 4)).sqrt().tolist()


def _patches(video: Tensor, vae: AutoencoderLinearVideo) -> Tensor:
    """(B, 3, F, H, W) to one row a patch, in the order of the encoder's filters."""
    t, p = vae.config.temporal_compression_ratio, vae.config.patch_size
    video = torch.cat([video[:, :, :1].expand(-1, -1, t - 1, -1, -1), video], dim=2)
    tiles = video.unfold(2, t, t).unfold(3, p, p).unfold(4, p, p)  # (B, 3, f, h, w, t, p, p)
    return tiles.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(4).flatten(0, 3)


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of videos in -1..1."""
    return float(10 * torch.log10(4 / (a - b).square().mean()))
