"""The upscaler that ships: drafts of the embedded model, four times as wide and as high.

A residual network at the draft's own size adds to a plain enlargement what the neighbourhood of a pixel tells, in this
frame, the one before and the one after (sub-pixel convolution, Shi et al. 2016). It is trained on drafts whose truth
the renderer knows, and draws edges, not looks: what a draft leaves undecided stays so. Scenes remember drafts, never
this.

Letters: B frames, H, W pixels of the draft, s the scale.
"""

from __future__ import annotations

import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

LARGEST_TILE = 256  # pixels: more than a side of its drafts, so that these are seen whole


class ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(x)))


class Upscaler(ModelMixin, ConfigMixin):
    """Frames with their neighbours in time to larger frames. Untrained it enlarges plainly."""

    tile = LARGEST_TILE

    @register_to_config
    def __init__(self, channels: int = 64, blocks: int = 9, scale: int = 4) -> None:
        super().__init__()
        self.enter = nn.Conv2d(9, channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.leave = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    @property
    def scale(self) -> int:
        return int(self.config.scale)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 9, H, W) in -1..1, frames t - 1, t, t + 1. Gives frame t, (B, 3, s H, s W)."""
        plain = F.interpolate(x[:, 3:6], scale_factor=self.config.scale, mode="bilinear")
        entered = F.silu(self.enter(x))
        return plain + F.pixel_shuffle(self.leave(entered + self.body(entered)), self.config.scale)

    def picture(self, x: Tensor, prompt: str, corner: tuple[int, int]) -> Tensor:
        """`forward`, whatever the prompt and wherever the tile lies."""
        return self(x.to(self.device, self.dtype))  # type: ignore[no-any-return]
