"""The finish: a draft of the embedded model, four times as wide and as high.

A residual network at the draft's own size adds to a plain enlargement what the neighbourhood of a pixel tells, in this
frame, the one before and the one after (sub-pixel convolution, Shi et al. 2016). It is trained on drafts whose truth
the renderer knows, and draws edges, not looks: what a draft leaves undecided stays so. Scenes remember drafts, never
this.

Letters: F frames, H, W pixels of the draft, s the scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from ..backbones.checkpoints import assets_folder
from ..errors import WeightsError

AT_ONCE = 4  # frames: 150 MB at the peak for 96 x 144 pixels


class ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(x)))


class Upscaler(ModelMixin, ConfigMixin):
    """Frames with their neighbours in time to larger frames. Untrained it enlarges plainly."""

    @register_to_config
    def __init__(self, channels: int = 64, blocks: int = 9, scale: int = 4) -> None:
        super().__init__()
        self.enter = nn.Conv2d(9, channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.leave = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 9, H, W) in -1..1, frames t - 1, t, t + 1. Gives frame t, (B, 3, s H, s W)."""
        plain = F.interpolate(x[:, 3:6], scale_factor=self.config.scale, mode="bilinear")
        entered = F.silu(self.enter(x))
        return plain + F.pixel_shuffle(self.leave(entered + self.body(entered)), self.config.scale)


@dataclass(frozen=True, eq=False)
class Enlarged:
    """Progress: `done` of `total` frames. frames: all of them at the end, uint8 (F, s H, s W, 3), before that None."""

    done: int
    total: int
    frames: np.ndarray | None = None


@torch.no_grad()
def enlarge(model: Upscaler, frames: np.ndarray) -> Iterator[Enlarged]:
    """frames: uint8 (F, H, W, 3). Yields after every few frames; closing the generator cancels."""
    video = torch.from_numpy(frames).movedim(-1, 1).float() / 127.5 - 1
    triples, parts, total = neighbours(video), list[np.ndarray](), len(frames)
    for start in range(0, total, AT_ONCE):
        pictures = model(triples[start : start + AT_ONCE].to(model.device, model.dtype)).float().clamp(-1, 1)
        parts.append(((pictures + 1) * 127.5).round().byte().movedim(1, -1).cpu().numpy())
        yield Enlarged(min(start + AT_ONCE, total), total)
    yield Enlarged(total, total, np.concatenate(parts))


def finish(frames: np.ndarray) -> np.ndarray:
    """A draft, uint8 (F, H, W, 3), by the upscaler that ships: uint8 (F, s H, s W, 3). Raises WeightsError."""
    *_, last = enlarge(load_upscaler(), frames)
    assert last.frames is not None
    return last.frames


def neighbours(video: Tensor) -> Tensor:
    """(F, 3, H, W) to (F, 9, H, W): each frame between the one before and the one after; the ends stand twice."""
    before, after = torch.cat([video[:1], video[:-1]]), torch.cat([video[1:], video[-1:]])
    return torch.cat([before, video, after], dim=1)


def upscaler_folder() -> Path:
    """Apart from the generator's folder: it has no part in what a scene is made of."""
    return assets_folder() / "upscaler"


@lru_cache(maxsize=1)
def load_upscaler() -> Upscaler:
    """The one that ships, in float32 on the CPU. Raises WeightsError if it is not there."""
    folder = upscaler_folder()
    if not (folder / "config.json").is_file():
        raise WeightsError(f"no upscaler in {str(folder)!r}: expected its config.json and weights")
    return Upscaler.from_pretrained(folder, use_safetensors=True).float().eval().requires_grad_(False)
