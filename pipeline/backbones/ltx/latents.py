"""From frames to LTX-Video's latents and back."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKLLTXVideo
from torch import Tensor

from ...encoders.latents import HeavyLatents, Where, to_signed

CLEAN = 0.0  # the timestep at which decoders that know one are told that latents are, as the stock pipeline does


class LTXLatents(HeavyLatents):
    """Of an `AutoencoderKLLTXVideo`."""

    def __init__(self, vae: AutoencoderKLLTXVideo, where: Where) -> None:
        super().__init__(vae, where)
        self.unit, self.period = vae.spatial_compression_ratio, vae.temporal_compression_ratio
        self.channels = vae.config.latent_channels

    def encode(self, picture: np.ndarray) -> Tensor:
        found = self.vae.encode(self._on_device(to_signed(picture))).latent_dist.mode().float()
        mean, scale = self._spread(found)
        return ((found - mean) / scale).transpose(1, 2).cpu()

    def decoded(self, latents: Tensor) -> Tensor:
        mean, scale = self._spread(latents)
        z = self._on_device(latents * scale + mean)
        timestep = torch.full((len(z),), CLEAN, device=z.device, dtype=z.dtype)
        return self.vae.decode(z, timestep if self.vae.config.timestep_conditioning else None).sample

    def _spread(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread of what the autoencoder gives, (1, C, 1, 1, 1)."""
        mean, std = (x.view(1, -1, 1, 1, 1).to(like) for x in (self.vae.latents_mean, self.vae.latents_std))
        return mean, std / self.vae.config.scaling_factor
