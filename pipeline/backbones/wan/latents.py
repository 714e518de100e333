"""From frames to Wan's latents and back."""

from __future__ import annotations

import threading

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from ...encoders.latents import HeavyLatents, Where, to_signed


class WanLatents(HeavyLatents):
    """Of an `AutoencoderKLWan`. It keeps what it saw last while it works: one thread at a time."""

    def __init__(self, vae: AutoencoderKLWan, where: Where) -> None:
        super().__init__(vae, where)
        self.period, self.unit = vae.config.scale_factor_temporal, vae.config.scale_factor_spatial
        self.channels = vae.config.z_dim
        mean, std = (torch.tensor(x).view(1, -1, 1, 1, 1) for x in (vae.config.latents_mean, vae.config.latents_std))
        self._mean, self._scale = mean, 1 / std
        self._lock = threading.Lock()

    def encode(self, picture: np.ndarray) -> Tensor:
        return self.encoded(to_signed(picture)).transpose(1, 2).cpu()

    def encoded(self, video: Tensor) -> Tensor:
        """A video (1, 3, F, H, W) in -1..1 to latents (1, C, f, h, w), float32, on the device that computes."""
        with self._lock:
            found = self.vae.encode(self._on_device(video)).latent_dist.mode()
        return (found.float() - self._mean.to(found.device)) * self._scale.to(found.device)

    def decoded(self, latents: Tensor) -> Tensor:
        z = self._on_device(latents)
        with self._lock:
            return self.vae.decode(z / self._scale.to(z) + self._mean.to(z)).sample
