"""A family of models that is not ours: a network without attention, in one file, for tests of the `Backbone` contract.

Its folder holds what ours holds but for the network and the autoencoder, which are classes of this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from pipeline.backbones.base import Conditions, Limits, Native, Network
from pipeline.encoders.latents import Where, to_frames, to_signed
from pipeline.encoders.text import TextEncoder
from pipeline.guidance import Anchor
from pipeline.sampling import Noising, Sampler, Timestep, TrailingDdim, VariancePreserving
from pipeline.story_pipeline import StoryPipeline
from tests.tiny import DIM, tiny_pipeline

UNIT = 8  # pixels a side of a latent, of which a clip has one a frame


class ToyAutoencoder(ModelMixin, ConfigMixin):
    """Its latents are the mean colours of blocks of pixels."""

    @register_to_config
    def __init__(self, latent_channels: int = 3) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


class ToyNetwork(ModelMixin, ConfigMixin):
    """Tints the noise by the words and by what is remembered."""

    @register_to_config
    def __init__(self, text_dim: int = 384, history_dim: int = DIM, max_text_seq_length: int = 64) -> None:
        super().__init__()
        self.from_text, self.from_history = nn.Linear(text_dim, 3), nn.Linear(history_dim, 3)

    def forward(self, z: Tensor, text: Tensor, history: Tensor | None) -> Tensor:
        """z (f, 3, h, w), text (L, t), history (H, d)."""
        tint = self.from_text(text.mean(0))
        if history is not None:
            tint = tint + 4 * self.from_history(history.mean(0))
        return z * 0.5 - tint[None, :, None, None]


class ToyLatents:
    unit, period, channels = UNIT, 1, 3

    def encode(self, picture: np.ndarray) -> Tensor:
        return nn.functional.avg_pool3d(to_signed(picture), (1, UNIT, UNIT)).transpose(1, 2)

    def decode(self, latents: Tensor) -> np.ndarray:
        pixels = latents[0].repeat_interleave(UNIT, -1).repeat_interleave(UNIT, -2)
        return to_frames(pixels.movedim(1, 0)[None])

    preview = decode


class ToyBackbone:
    """A `Backbone` that has trained history alone."""

    name: ClassVar[str] = "toy"
    quantizable: ClassVar[tuple[str, ...]] = ()
    reads_padding: ClassVar[bool] = False
    histories, patch, autocast, known_timestep = ("trained", "off"), 1, False, 0
    native = Native(48, 72, 5, 10, steps=2, text=2.0, history=1.0, period=1)
    activation_size = 5 * 6 * 9 * 3.0
    limits = Limits(UNIT, 96, 96, 9, has_eta=False)

    def __init__(self, components: Mapping[str, Any], where: Where) -> None:
        self.where, self.model, self.scheduler = where, components["transformer"], components["scheduler"]
        self.text = TextEncoder(components["text_encoder"], components["tokenizer"])
        self.latents = ToyLatents()

    @property
    def noising(self) -> Noising:
        return VariancePreserving(self.scheduler.alphas_cumprod)

    def least_noise(self, t: Timestep) -> Timestep:
        return 0

    def padding_frames(self, frames: int) -> int:
        return 0

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return torch.randn(tuple(shape), generator=generator)

    def sound(self, shape: Sequence[int], generator: torch.Generator) -> Tensor | None:
        return None

    def shown(self, first: np.ndarray, last: np.ndarray | None, num_frames: int, seed: int) -> Tensor:
        raise NotImplementedError("it is not told of pictures")

    def picture_tokens(self, pictures: Sequence[np.ndarray]) -> Tensor:
        raise NotImplementedError("it reads no pictures")

    def sampler(self, steps: int, eta: float, shape: Sequence[int] | None = None) -> Sampler:
        return TrailingDdim(self.scheduler, steps)

    def network(self, rows: Sequence[Conditions], **options: Any) -> Network:
        def told(z: Tensor, timestep: Timestep | Tensor, anchor: Anchor | None = None) -> Tensor:
            return torch.stack([self.model(x, row.text, row.history) for x, row in zip(z, rows, strict=True)])

        return told


class ToyFamily:
    name = "toy"

    def native(self, folder: Path) -> Native:
        return ToyBackbone.native

    def histories(self, folder: Path) -> tuple[str, ...]:
        return ToyBackbone.histories

    def continues(self, folder: Path) -> bool:
        return False

    def components(self, folder: Path, precision: torch.dtype) -> dict[str, Any]:
        return {"dtype": torch.float32}

    def bind(self, components: Mapping[str, Any], where: Where) -> ToyBackbone:
        return ToyBackbone(components, where)


FAMILY = ToyFamily()


def save(folder: Path) -> Path:
    """A toy model with random weights, always the same ones."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        own = {"transformer": ToyNetwork(), "vae": ToyAutoencoder()}
    StoryPipeline(**tiny_pipeline().components | own).save_pretrained(folder, text_encoder=False)
    return folder
