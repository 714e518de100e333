"""Frames between frames: a clip at a higher rate, which lasts as long as it did.

A network sees the two frames around a moment and the one before and after these, and says for every pixel where it
comes from in either (two flows), which of them shows it, and what neither does (Jiang et al. 2018, Huang et al. 2022).
Any moment can be asked for, so that film rates that are no multiple of a clip's are exact. Given frames stay as they
are; scenes remember them, never what is drawn between.

Letters: B pairs, F frames, H, W pixels.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from ..backbones.checkpoints import assets_folder
from ..errors import ThroughlineError, WeightsError
from .upscaling.network import ResidualBlock

AT_ONCE = 4  # frames
SCALES = 8  # sides are padded to multiples of it
REACH = 8.0  # pixels: unit of the flows
NEARLY = 1e-6  # of a frame: by how much a moment may be off a given frame


class Interpolator(ModelMixin, ConfigMixin):
    """A U-Net over four frames. Untrained it blends the two around the moment."""

    @register_to_config
    def __init__(self, channels: int = 48, blocks: int = 2) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 3 * channels]
        self.enter = nn.Conv2d(4 * 12 + 1, widths[0], 3, padding=1)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairs)
        self.across = nn.ModuleList(nn.Sequential(*(ResidualBlock(width) for _ in range(blocks))) for width in widths)
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 3, padding=1) for a, b in reversed(pairs))
        self.after = nn.ModuleList(ResidualBlock(a) for a, _ in reversed(pairs))
        self.leave = nn.Conv2d(widths[0], 4 * 8, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, moment: Tensor) -> Tensor:
        """x: (B, 12, H, W) in -1..1, frames t - 1, t, t + 1, t + 2; H and W multiples of SCALES. moment: (B), from 0
        (frame t) to 1 (frame t + 1). Gives the frame at that moment, (B, 3, H, W)."""
        moment = moment[:, None, None, None].to(x.dtype)
        h = F.pixel_unshuffle(x, 2)
        h = F.silu(self.enter(torch.cat([h, moment.expand(-1, 1, *h.shape[2:])], dim=1)))
        skips = [self.across[0](h)]
        for down, across in zip(self.down, list(self.across)[1:], strict=True):
            skips.append(across(F.silu(down(skips[-1]))))
        h = skips.pop()
        for up, after in zip(self.up, self.after, strict=True):
            h = after(skips.pop() + F.pixel_shuffle(up(F.silu(h)), 2))
        said = F.pixel_shuffle(self.leave(h), 2).float()
        before, behind = (warped(x[:, c : c + 3].float(), REACH * said[:, i : i + 2]) for c, i in ((3, 0), (6, 2)))
        shown = (said[:, 4:5] + torch.logit(moment.float(), eps=1e-3)).sigmoid()  # of the later one
        return (1 - shown) * before + shown * behind + said[:, 5:]


def warped(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures (B, 3, H, W), each pixel fetched from `flow` (B, 2, H, W) pixels right of and below itself."""
    height, width = pictures.shape[2:]
    rows, columns = (torch.arange(n, device=flow.device, dtype=flow.dtype) for n in (height, width))
    x = (columns + flow[:, 0]) * (2 / (width - 1)) - 1
    y = (rows[:, None] + flow[:, 1]) * (2 / (height - 1)) - 1
    grid = torch.stack([x, y], dim=-1)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=True)


@torch.no_grad()
def at_rate(model: Interpolator, frames: np.ndarray, rate: float, wanted: float) -> np.ndarray:
    """A clip, uint8 (F, H, W, 3) at `rate` frames a second, at `wanted` ones: uint8 (F', H, W, 3), F' = F wanted/rate.

    Frames of moments that the clip has are the clip's own; after its last one that stays. Raises ThroughlineError for
    rates that are not above 0.
    """
    if not (rate > 0 and wanted > 0):
        raise ThroughlineError(f"frame rates are {rate:g} and {wanted:g}: expected numbers above 0")
    count, last = max(1, round(len(frames) * wanted / rate)), len(frames) - 1
    moments = np.minimum(np.arange(count) * (rate / wanted), last)
    nearest = np.rint(moments).astype(int)
    made = frames[nearest].copy()
    between = np.nonzero(np.abs(moments - nearest) > NEARLY)[0]
    for start in range(0, len(between), AT_ONCE):
        places = between[start : start + AT_ONCE]
        made[places] = _drawn(model, frames, moments[places])
    return made


def eased(frames: np.ndarray, place: int) -> np.ndarray:
    """A clip, uint8 (F, H, W, 3), with the frame of that place drawn anew between its neighbours, by the interpolator
    that ships: half of the way from one to the other. Raises WeightsError."""
    made = frames.copy()
    made[place] = _drawn(load_interpolator(), np.delete(frames, place, axis=0), np.array([place - 0.5]))[0]
    return made


def _drawn(model: Interpolator, frames: np.ndarray, moments: np.ndarray) -> np.ndarray:
    first = np.floor(moments).astype(int)
    around = np.clip(first[:, None] + np.arange(-1, 3), 0, len(frames) - 1)
    x = torch.from_numpy(frames[around]).movedim(-1, 2).float().flatten(1, 2) / 127.5 - 1
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % SCALES, 0, -height % SCALES), mode="replicate")
    moment = torch.from_numpy(moments - first)
    pictures = model(x.to(model.device, model.dtype), moment.to(model.device, model.dtype)).float()
    pictures = pictures[..., :height, :width].clamp(-1, 1)
    return ((pictures + 1) * 127.5).round().byte().movedim(1, -1).cpu().numpy()  # type: ignore[no-any-return]


def smooth(frames: np.ndarray, rate: float, wanted: float) -> np.ndarray:
    """As `at_rate`, by the interpolator that ships. Raises WeightsError too."""
    return at_rate(load_interpolator(), frames, rate, wanted)


def interpolator_folder() -> Path:
    """Apart from the generator's folder: it has no part in what a scene is made of."""
    return assets_folder() / "interpolator"


@lru_cache(maxsize=1)
def load_interpolator() -> Interpolator:
    """The one that ships, in float32 on the CPU. Raises WeightsError if it is not there."""
    folder = interpolator_folder()
    if not (folder / "config.json").is_file():
        raise WeightsError(f"no interpolator in {str(folder)!r}: expected its config.json and weights")
    return Interpolator.from_pretrained(folder, use_safetensors=True).float().eval().requires_grad_(False)
