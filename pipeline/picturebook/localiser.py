"""The localiser: where a keyframe shows an actor and its things, trained on rendered clips alone.

Generated keyframes have no true masks; what this network sees in them stands in for those when pointing is measured
(`evaluation.pointing`). How well it does that is measured on rendered keyframes first, where the truth is known.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from .renderer import HEIGHT, WIDTH

PLACE, ACTOR, THINGS = LABELS = range(3)  # as in the renderer's masks of a lone actor


class Localiser(ModelMixin, ConfigMixin):
    """A keyframe to a label for every pixel: a small U-Net (Ronneberger et al. 2015). (B, 3, H, W) -> (B, 3, H, W).

    Trained on pictures of one actor mostly; of several actors it does not tell who is who.
    """

    @register_to_config
    def __init__(self, widths: Sequence[int] = (24, 48, 96)) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.enter = _convolution(12, fine, 1)
        self.down = nn.Sequential(_convolution(fine, middle, 2), _convolution(middle, middle, 1))
        self.around = nn.Sequential(
            _convolution(middle, coarse, 2), _convolution(coarse, coarse, 1, 2), _convolution(coarse, coarse, 1, 3)
        )
        self.up = _convolution(coarse + middle, middle, 1)
        self.leave = nn.Sequential(
            _convolution(middle + fine, fine, 1), nn.Conv2d(fine, 4 * len(LABELS), 3, padding=1), nn.PixelShuffle(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        fine = self.enter(F.pixel_unshuffle(x, 2))
        middle = self.down(fine)
        h = self.up(torch.cat([_twice(self.around(middle)), middle], 1))
        return self.leave(torch.cat([_twice(h), fine], 1))

    @classmethod
    def load(cls, folder: Path | None = None) -> Localiser:
        """The localiser in `folder`, or the one that ships, ready to use. Raises WeightsError if it is not there."""
        folder = folder or localiser_folder()
        if not (folder / "config.json").is_file():
            raise WeightsError(f"no localiser in {str(folder)!r}: expected config.json and a .safetensors file")
        return cls.from_pretrained(folder, use_safetensors=True, local_files_only=True).float().eval()

    @torch.no_grad()
    def masks(self, keyframes: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Labels uint8 (H, W) of pictures uint8 (H, W, 3), at the size of the picture book."""
        if not keyframes:
            return []
        logits = [self(batch) for batch in to_input(np.stack(keyframes)).split(32)]
        return list(torch.cat(logits).argmax(1).byte().numpy())


@lru_cache(maxsize=1)
def load_localiser() -> Localiser:
    """The one that ships, once a process. Raises WeightsError if it is not there."""
    return Localiser.load()


def localiser_folder() -> Path:
    return assets_folder() / "picturebook" / "reader" / "localiser"


def _convolution(inputs: int, outputs: int, stride: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")


def to_input(keyframes: np.ndarray) -> Tensor:
    """uint8 (B, H, W, 3) to what the network takes, (B, 3, 96, 144) in -1..1."""
    x = torch.as_tensor(keyframes).movedim(-1, 1).float() / 127.5 - 1
    return x if x.shape[2:] == (HEIGHT, WIDTH) else F.interpolate(x, (HEIGHT, WIDTH), mode="bilinear", antialias=True)
