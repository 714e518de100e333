"""The embedded video autoencoder: principal components of space-time patches, and a small decoder that sharpens.

Shapes: B clips, F frames (4k + 1), H, W pixels; f = (F - 1) / 4 + 1 latent frames, C latent channels, p = patch size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor, nn

FRAMES = 4  # of a latent, for the sharpener


class AutoencoderLinearVideo(ModelMixin, ConfigMixin):
    """A linear video autoencoder with the interface of a diffusers one.

    Encoding is one strided Conv3d with orthonormal filters, decoding its transpose: both are fitted in closed form
    (PCA of patches of 4 x p x p pixels, `pipeline.training.models.vae`). The first frame is a patch of its own,
    repeated in time, as in CogVideoX's causal autoencoder. `scaling_factor` is one number for all components, so that
    their falling spectrum stays: coarse comes before fine in denoising. `latents_std` are the spreads of the scaled
    components and `latents_motion_std` those of their deviations from a clip's mean over time, by which the denoiser
    is preconditioned (`guidance.Preconditioning`). `sharpener`, if
    `sharpen_channels` > 0, is a convolutional decoder that is added to the linear one and restores what the cut
    spectrum and the generator blurred.

    Does not cover: tiling, slicing; clips whose sides are no multiple of p.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        latent_channels: int = 128,
        patch_size: int = 12,
        temporal_compression_ratio: int = 4,
        scaling_factor: float = 1.0,
        latents_std: list[float] | None = None,
        latents_motion_std: list[float] | None = None,
        sharpen_channels: int = 0,
    ) -> None:
        super().__init__()
        patch = (temporal_compression_ratio, patch_size, patch_size)
        self.encoder = nn.Conv3d(in_channels, latent_channels, patch, stride=patch, bias=False)
        self.mean = nn.Parameter(torch.zeros(in_channels, *patch), requires_grad=False)
        self.sharpener = Sharpener(latent_channels, sharpen_channels, patch_size) if sharpen_channels else None

    def encode(self, x: Tensor, return_dict: bool = True) -> AutoencoderKLOutput:
        """x: (B, 3, F, H, W) in -1..1. Gives a distribution without spread over latents (B, C, f, H / p, W / p),
        unscaled."""
        t = self.config.temporal_compression_ratio
        x = torch.cat([x[:, :, :1].expand(-1, -1, t - 1, -1, -1), x], dim=2)
        latents = self.encoder(x) - (self.encoder.weight * self.mean).sum((1, 2, 3, 4))[:, None, None, None]
        spread = torch.zeros_like(latents)
        distribution = DiagonalGaussianDistribution(torch.cat([latents, spread], dim=1), deterministic=True)
        return AutoencoderKLOutput(latent_dist=distribution) if return_dict else (distribution,)

    def decode(self, z: Tensor, return_dict: bool = True, sharpen: bool = True) -> DecoderOutput:
        """z: (B, C, f, h, w), unscaled. Gives (B, 3, F, H, W). sharpen=False is the linear part alone (cheap
        previews)."""
        x = self.decode_all(z, sharpen)[:, :, self.config.temporal_compression_ratio - 1 :]
        return DecoderOutput(sample=x) if return_dict else (x,)

    def decode_all(self, z: Tensor, sharpen: bool = True) -> Tensor:
        """The same with all frames of the first latent frame, (B, 3, 4 f, H, W)."""
        x = F.conv_transpose3d(z, self.encoder.weight, stride=self.encoder.stride)
        x = x + self.mean.repeat(1, z.shape[2], z.shape[3], z.shape[4])
        return self.sharpener(x, z) if sharpen and self.sharpener is not None else x


class Sharpener(nn.Module):
    """Adds to a linear reconstruction what its neighbourhood in space and time tells: (B, 3, 4 f, H, W), (B, C, f, h,
    w) -> (B, 3, 4 f, H, W).

    A small U-Net over frames at half and at a quarter of their size; latents are read at their own resolution and join
    at the quarter. There the four frames of a latent and the last one before them see one another, so that what looks
    from latent frame to latent frame like flicker is told from motion. Later frames have no part in earlier ones: a
    clip that gets longer keeps its beginning.
    """

    def __init__(self, latent_channels: int, channels: int, patch_size: int) -> None:
        super().__init__()
        self.fold, self.hint_channels, width = patch_size // 4, channels // 2, 2 * channels
        self.read = nn.Conv2d(latent_channels, 2 * width, 3, padding=1)
        self.mix = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.spread = nn.Conv2d(2 * width, FRAMES * self.hint_channels * self.fold**2, 1)
        self.enter = nn.Conv2d(12, channels, 3, padding=1)
        self.before = FrameBlock(channels)
        self.down = nn.Conv2d(4 * channels + self.hint_channels, width, 1)
        self.body = nn.ModuleList(FrameBlock(width) for _ in range(3))
        self.times = nn.ModuleList(LatentMixing(width) for _ in range(3))
        self.up = nn.Conv2d(width, 4 * channels, 1)
        self.after = FrameBlock(channels)
        self.leave = nn.Conv2d(channels, 12, 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        frames = x.shape[2]
        halves = F.pixel_unshuffle(x.transpose(1, 2).flatten(0, 1), 2)  # (B 4 f, 12, H / 2, W / 2)
        y = self.before(self.enter(halves))
        q = self.down(torch.cat([F.pixel_unshuffle(y, 2), self._hints(z)], dim=1))
        for block, times in zip(self.body, self.times, strict=True):
            q = times(block(q), z.shape[2])
        y = self.after(y + F.pixel_shuffle(self.up(q), 2))
        sharp = F.pixel_shuffle(halves + self.leave(F.silu(y)), 2)
        return sharp.unflatten(0, (-1, frames)).transpose(1, 2)

    def _hints(self, z: Tensor) -> Tensor:
        """(B, C, f, h, w) -> (B 4 f, hint, H / 4, W / 4)."""
        h = F.silu(self.read(z.transpose(1, 2).flatten(0, 1) / 3))
        h = self.spread(h + F.silu(self.mix(h)))
        return F.pixel_shuffle(h, self.fold).unflatten(1, (FRAMES, self.hint_channels)).flatten(0, 1)


class FrameBlock(nn.Module):
    """Two convolutions over single frames, added to them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(x))))


class LatentMixing(nn.Module):
    """Adds to each of the four frames of a latent what all four and the last one of the latent before tell, pixel by
    pixel; at first nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d((FRAMES + 1) * channels, 2 * channels, 1)
        self.leave = nn.Conv2d(2 * channels, FRAMES * channels, 1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, latents: int) -> Tensor:
        """x: (B 4 f, c, h, w), f being `latents`."""
        groups = x.unflatten(0, (-1, latents, FRAMES))  # (B, f, 4, c, h, w)
        earlier = torch.cat([groups[:, :1, :1], groups[:, :-1, -1:]], dim=1)
        seen = torch.cat([earlier, groups], dim=2).flatten(2, 3).flatten(0, 1)
        told = self.leave(F.silu(self.enter(seen)))
        return x + told.unflatten(1, (FRAMES, -1)).flatten(0, 1)


def scaled_latents(vae: AutoencoderLinearVideo, frames: Tensor) -> Tensor:
    """Frames (B, 3, F, H, W) in -1..1 to the latents that the transformer works on, (B, f, C, h, w)."""
    return vae.encode(frames).latent_dist.mode().transpose(1, 2) * vae.config.scaling_factor
