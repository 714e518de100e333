"""From frames to latents and back: what the pipeline asks of an autoencoder, for each kind of autoencoder.

Letters: F frames (4 k + 1), H, W pixels, f latent frames, C latent channels, h, w latents a side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLCogVideoX
from torch import Tensor

from ..autoencoder import AutoencoderLinearVideo
from ..errors import ThroughlineError

Where = Callable[[], torch.device]  # which device computes; weights may be elsewhere until then


class LatentSpace(Protocol):
    """What the transformer works on."""

    unit: int  # pixels a side of a latent
    period: int  # frames of a latent; the first frame has one of its own
    channels: int  # C

    def encode(self, picture: np.ndarray) -> Tensor:
        """A picture, uint8 (H, W, 3), to latents, float32 (1, 1, C, h, w) on the CPU; or a clip, uint8 (F, H, W, 3),
        to (1, f, C, h, w)."""

    def decode(self, latents: Tensor) -> np.ndarray:
        """Latents (1, f, C, h, w) to uint8 (F, H, W, 3)."""

    def preview(self, latents: Tensor) -> np.ndarray:
        """As `decode`, at no cost worth mentioning and not as good."""


class LinearLatents:
    """Of the embedded autoencoder; a preview is its linear part alone."""

    def __init__(self, vae: AutoencoderLinearVideo, where: Where) -> None:
        self.vae, self.where = vae, where
        self.unit, self.period = vae.config.patch_size, vae.config.temporal_compression_ratio
        self.channels = vae.config.latent_channels

    def encode(self, picture: np.ndarray) -> Tensor:
        pixels = to_signed(picture).to(self.where(), self.vae.dtype)
        latents = self.vae.encode(pixels).latent_dist.mode().transpose(1, 2) * self.vae.config.scaling_factor
        return latents.float().cpu()

    def decode(self, latents: Tensor, sharpen: bool = True) -> np.ndarray:
        z = (latents / self.vae.config.scaling_factor).transpose(1, 2).to(self.where(), self.vae.dtype)
        return to_frames(self.vae.decode(z, sharpen=sharpen).sample)

    def preview(self, latents: Tensor) -> np.ndarray:
        return self.decode(latents, sharpen=False)


class HeavyLatents(ABC):
    """Of an autoencoder whose decoder takes seconds: a preview is a linear map of each latent to a colour, fitted once
    to what the decoder makes of patches of noise."""

    unit: int
    period: int
    channels: int

    def __init__(self, vae: Any, where: Where) -> None:
        self.vae, self.where = vae, where
        self._colours: Tensor | None = None  # (C + 1, 3)

    @abstractmethod
    def decoded(self, latents: Tensor) -> Tensor:
        """Latents (1, C, f, h, w) to a video (1, 3, F, H, W) in -1..1."""

    def decode(self, latents: Tensor) -> np.ndarray:
        return to_frames(self.decoded(latents.transpose(1, 2)))

    def preview(self, latents: Tensor) -> np.ndarray:
        if self._colours is None:
            self._colours = self._fit_colours()
        z = F.pad(latents[0].float().cpu().movedim(1, -1), (0, 1), value=1.0)  # (f, h, w, C + 1)
        pictures = (z @ self._colours).movedim(-1, 1)
        pictures = F.interpolate(pictures, scale_factor=self.unit, mode="bilinear")
        repeats = torch.tensor([1] + [self.period] * (len(pictures) - 1))
        return to_frames(pictures.repeat_interleave(repeats, 0).movedim(1, 0)[None])

    def _fit_colours(self, patches: int = 16, side: int = 4) -> Tensor:
        """Least squares from the noise of a patch to the mean colour that is decoded from it."""
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(patches, self.channels, 1, 1, 1, generator=generator)
        smooth = z + 0.1 * torch.randn(*z.shape[:3], side, side, generator=generator)
        decoded = [self.decoded(one[None]).float().cpu() for one in smooth]
        colours = F.avg_pool2d(torch.cat(decoded)[:, :, 0], self.unit)  # (patches, 3, side, side)
        inputs = F.pad(smooth[:, :, 0].movedim(1, -1).flatten(0, 2), (0, 1), value=1.0)
        return torch.linalg.lstsq(inputs, colours.movedim(1, -1).flatten(0, 2)).solution

    def _on_device(self, x: Tensor) -> Tensor:
        return x.to(self.where(), self.vae.dtype)


class CogVideoXLatents(HeavyLatents):
    """Of an `AutoencoderKLCogVideoX`."""

    def __init__(self, vae: AutoencoderKLCogVideoX, where: Where) -> None:
        super().__init__(vae, where)
        self.period, self.channels = int(vae.config.temporal_compression_ratio), vae.config.latent_channels
        self.unit = 2 ** (len(vae.config.block_out_channels) - 1)

    def encode(self, picture: np.ndarray) -> Tensor:
        latents = self.vae.encode(self._on_device(to_signed(picture))).latent_dist.mode()
        return latents.transpose(1, 2).float().cpu() * self.vae.config.scaling_factor

    def drawn(self, picture: np.ndarray, generator: torch.Generator) -> Tensor:
        """A picture, uint8 (H, W, 3), as models that start from one were shown it: latents (1, 1, C, h, w) drawn from
        what the encoder finds likely, with the scale that these models were trained with."""
        latents = self.vae.encode(self._on_device(to_signed(picture))).latent_dist.sample(generator)
        factor = self.vae.config.scaling_factor
        return latents.transpose(1, 2) * (1 / factor if self.vae.config.invert_scale_latents else factor)

    def decoded(self, latents: Tensor) -> Tensor:
        return self.vae.decode(self._on_device((1 / self.vae.config.scaling_factor) * latents)).sample


def check_finite(values: Tensor, source: str, advice: str) -> None:
    """Raises ThroughlineError for infinite values and those that are no numbers, which would make a black film."""
    if not bool(values.isfinite().all()):
        bad = int((~values.isfinite()).sum())
        raise ThroughlineError(
            f"{source} gave {bad} of {values.numel()} values that are not finite ({values.dtype}): try {advice}"
        )


def to_signed(picture: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) or (F, H, W, 3) to float32 (1, 3, F, H, W) in -1..1; F is 1 for a picture."""
    pixels = torch.tensor(picture).movedim(-1, 0)[None].float() / 127.5 - 1
    return pixels[:, :, None] if picture.ndim == 3 else pixels


def to_frames(video: Tensor) -> np.ndarray:
    """(1, 3, F, H, W) in -1..1 to uint8 (F, H, W, 3). Raises ThroughlineError for values that are not finite."""
    check_finite(video, "the autoencoder", "another precision for it, such as --dtype float32")
    x = video[0].float().clamp(-1, 1)
    return ((x + 1) * 127.5).round().byte().movedim(0, -1).cpu().numpy()
