"""From frames to the latents of an image autoencoder and back: one latent a frame."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder
from torch import Tensor

from ...encoders.latents import HeavyLatents, Where, to_signed

AT_ONCE = 16  # frames that are decoded together, as in the stock pipeline


class ImageLatents(HeavyLatents):
    """Of an `AutoencoderKL`, which knows nothing of time, or of one whose decoder does (Blattmann et al. 2023): it sees
    AT_ONCE frames together, and nothing across the bounds between those."""

    period = 1

    def __init__(self, vae: AutoencoderKL | AutoencoderKLTemporalDecoder, where: Where) -> None:
        super().__init__(vae, where)
        self.unit = 2 ** (len(vae.config.block_out_channels) - 1)
        self.channels = vae.config.latent_channels
        self.knows_time = isinstance(vae, AutoencoderKLTemporalDecoder)

    def encode(self, picture: np.ndarray) -> Tensor:
        frames = self._on_device(to_signed(picture)[0].transpose(0, 1))
        parts = [self.vae.encode(some).latent_dist.mode() for some in frames.split(AT_ONCE)]
        return torch.cat(parts)[None].float().cpu() * self.vae.config.scaling_factor

    def decoded(self, latents: Tensor) -> Tensor:
        frames = self._on_device((1 / self.vae.config.scaling_factor) * latents)[0].transpose(0, 1)
        parts = [
            self.vae.decode(some, **({"num_frames": len(some)} if self.knows_time else {})).sample
            for some in frames.split(AT_ONCE)
        ]
        return torch.cat(parts).transpose(0, 1)[None]
