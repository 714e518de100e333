"""Upscalers that others trained, each as a `PictureUpscaler`: they see single frames, not the neighbours in time.

Letters: B frames, h, w pixels of a tile, s the scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import StableDiffusionUpscalePipeline
    from transformers import Swin2SRForImageSuperResolution

TILE = 192  # pixels, of networks
DIFFUSION_TILE = 128  # pixels: makes 512, what Stable Diffusion's upscaler was trained on
MULTIPLE = 8  # of which sides of its tiles are multiples
STEPS = 20
NOISE_PERIOD = 512  # pixels after which the noise repeats


class Swin2SR:
    """A Swin2SR of transformers (Conde et al. 2022): classical, lightweight or real-world weights."""

    def __init__(self, model: Swin2SRForImageSuperResolution) -> None:
        self._model = model
        self.scale, self.tile = int(model.config.upscale), TILE

    def picture(self, x: Tensor, prompt: str, corner: tuple[int, int]) -> Tensor:
        """As `PictureUpscaler`; prompt and corner make no difference."""
        given = _shown(x, self._model.config.window_size).to(self._model.device, self._model.dtype)
        return _cut(self._model(pixel_values=given).reconstruction, x, self.scale)


class Described:
    """What spandrel makes of a file: ESRGAN, Real-ESRGAN, SwinIR, HAT, DAT and others."""

    def __init__(self, descriptor: Any) -> None:
        self._descriptor = descriptor
        self.scale, self.tile = int(descriptor.scale), TILE

    def picture(self, x: Tensor, prompt: str, corner: tuple[int, int]) -> Tensor:
        """As `PictureUpscaler`; prompt and corner make no difference."""
        given = _shown(x).to(self._descriptor.device, self._descriptor.dtype)
        return _cut(self._descriptor(given), x, self.scale)


class OwnNoise(DDPMScheduler):
    """Adds `noise` to drafts, whatever it is given."""

    noise: Tensor

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:  # type: ignore[override]
        """original_samples: (B, 3, h, w). Gives as many."""
        return super().add_noise(original_samples, self.noise.to(original_samples), timesteps)  # type: ignore[no-any-return,arg-type]


class Diffusion:
    """Stable Diffusion's upscaler (Rombach et al. 2022), told what the clip shows.

    It draws every tile anew. So that frames do not flicker, all of them begin with the same noise, which belongs to a
    place in the frame and not to a tile; and what it gives is moved until it is the given picture when made as small
    again (back-projection, Irani and Peleg 1991): colours and shapes are the draft's, what is added is finer.
    """

    def __init__(self, pipeline: StableDiffusionUpscalePipeline) -> None:
        pipeline.set_progress_bar_config(disable=True)
        self._pipeline, self.tile = pipeline, DIFFUSION_TILE
        self.scale = int(pipeline.vae_scale_factor)
        self._draft_noise = pipeline.low_res_scheduler = OwnNoise.from_config(pipeline.low_res_scheduler.config)
        channels = 3 + pipeline.vae.config.latent_channels
        self._noise = torch.randn(channels, NOISE_PERIOD, NOISE_PERIOD, generator=torch.Generator().manual_seed(0))

    def picture(self, x: Tensor, prompt: str, corner: tuple[int, int]) -> Tensor:
        """As `PictureUpscaler`."""
        count, given = len(x), _shown(x, MULTIPLE)
        noise = self._noise_at(corner, given.shape[2], given.shape[3]).expand(count, -1, -1, -1)
        self._draft_noise.noise = noise[:, :3]
        made = self._pipeline(
            prompt=[prompt] * count,
            image=given.to(self._pipeline.device),
            num_inference_steps=STEPS,
            latents=noise[:, 3:],
            generator=[torch.Generator().manual_seed(0) for _ in range(count)],  # if steps add noise of their own
            output_type="pt",
        ).images
        pictures = _cut(made, x, self.scale).float().cpu()
        lacking = x[:, 3:6].cpu() - F.avg_pool2d(pictures, self.scale)
        return pictures + F.interpolate(lacking, scale_factor=self.scale, mode="bilinear")

    def _noise_at(self, corner: tuple[int, int], height: int, width: int) -> Tensor:
        """(channels, height, width) of the noise of a frame."""
        rows, columns = (
            torch.arange(start, start + length) % NOISE_PERIOD
            for start, length in zip(corner, (height, width), strict=True)
        )
        found = self._noise[:, rows][:, :, columns]
        return found.to(self._pipeline.device, self._pipeline.unet.dtype)


def _shown(x: Tensor, multiple: int = 1) -> Tensor:
    """The middle frames of `PictureUpscaler.picture`, in 0..1; their last pixels stand for what sides lack to a
    multiple of so many."""
    short = (0, -x.shape[3] % multiple, 0, -x.shape[2] % multiple)
    return F.pad((x[:, 3:6] + 1) / 2, short, mode="replicate")


def _cut(made: Tensor, x: Tensor, scale: int) -> Tensor:
    """What was made of them, from 0..1 to -1..1, without what was added to the sides."""
    return made[..., : x.shape[2] * scale, : x.shape[3] * scale] * 2 - 1
