"""The contracts between a family of models and everything that uses one.

A family is one file of this package and one line of `registry`. Nothing else asks what kind of model it has.

Letters: B rows of a batch, L text tokens, H history tokens, f latent frames, C latent channels, h, w latents a side,
F frames, t width of the text encoder, d width of history tokens, r pictures, n tokens of a picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from diffusers import ModelMixin
from torch import Tensor

from ..blocks.attention import KeysValues, Witness
from ..blocks.block_cache import BlockCache
from ..blocks.modulation import Modulation
from ..encoders.latents import LatentSpace, Where
from ..encoders.text import TextEncoder
from ..guidance import Anchor, SubjectGuidance
from ..sampling import Noising, Sampler, Timestep

ASPECTS = (16 / 9, 3 / 2, 1, 2 / 3, 9 / 16)  # width to height


@dataclass(frozen=True)
class Native:
    """What suits a model: the size of its clips in pixels, frames and frames a second, steps, and both weights.

    period: frames that every latent frame after the first stands for, so that a clip has `period` k + 1.
    """

    height: int
    width: int
    num_frames: int
    frames_per_second: int
    steps: int
    text: float  # w1
    history: float  # w2
    period: int


@dataclass(frozen=True)
class Limits:
    """Which clips a model can make: sides are multiples of `unit` from 2 `unit` to `height` and `width`."""

    unit: int  # pixels a side of what one video token covers
    height: int
    width: int
    num_frames: int
    has_eta: bool  # whether noise can be added at each step
    pictures: bool = False  # whether every clip starts from a picture, which it is told of (`Backbone.shown`)
    looks: bool = False  # whether it reads that picture too (`Backbone.picture_tokens`)
    ends: bool = False  # whether clips can end with a picture
    strengths: bool = False  # whether words of the prompt can count for more or less than the model reads them
    keyframes: bool = False  # whether it is shown what scenes remember, as pictures of their own (`Conditions`)
    prompts: bool = False  # whether pictures of what scenes remember, cut out, can stand beside the prompt
    piece: int = 0  # frames that are made at once; longer clips go on from their last frames; 0 for all at once
    windows: bool = False  # whether longer clips are made at once all the same, in windows (`blocks.windows`)
    one_size: bool = False  # whether clips have the size that suits the model, and no other
    window: int = 0  # latent frames of these, which can also be made one after another (`stages.streaming`)
    streamed: int = 0  # frames of such a scene at most
    drawn: float = 0.0  # σ/α below which clips that go on from motion are drawn by the network of all other clips
    subject: SubjectGuidance | None = None  # of those it was taught; None for adapters that count in every branch
    eased: bool = False  # whether their first new frame is drawn between its neighbours: latents do not meet in time

    def streams(self, num_frames: int) -> bool:
        """Whether a clip of that length can be made window after window."""
        return self.streamed >= num_frames > self.piece

    def sizes(self, native: Native) -> tuple[tuple[int, int], ...]:
        """Width and height of clips of usual aspects, of about as many pixels as suit the model and of twice as many,
        or as large as they may be; what suits it comes first, and is all there is for a model of one size."""
        found = [(native.width, native.height)]
        if self.one_size:
            return tuple(found)
        for pixels in (native.width * native.height, 2 * native.width * native.height):
            for aspect in ASPECTS:
                height = min(math.sqrt(pixels / aspect), self.height, self.width / aspect)
                found.append((self._near(height * aspect), self._near(height)))
        least = 2 * self.unit
        return tuple(
            (width, height)
            for width, height in dict.fromkeys(found)
            if least <= width <= self.width and least <= height <= self.height
        )

    def _near(self, pixels: float) -> int:
        return round(pixels / self.unit) * self.unit


class ImagePrompts(NamedTuple):
    """Pictures that say, as a prompt does, what is to be seen, each somewhere."""

    tokens: Tensor  # (r, n, t), which `Backbone.picture_tokens` gave
    masks: Tensor  # (r, h, w), 1 where a picture counts, else 0


@dataclass(frozen=True)
class Conditions:
    """What one row of a batch is told beside its noisy latents."""

    text: Tensor  # (L, t)
    history: Tensor | None = None  # (H, d)
    pictures: Tensor | None = None  # what `Backbone.shown` gave, (f, C', h, w)
    looks: Tensor | None = None  # (n, t), `Backbone.picture_tokens` of the picture that a clip starts from
    keyframes: Tensor | None = None  # (r, C + 1, h, w), latents and 1 where they were kept, else 0: `Limits.keyframes`
    prompts: ImagePrompts | None = None  # for models whose `Limits.prompts` says so
    strengths: Tensor | None = None  # (L), how much each token counts, for models whose `Limits.strengths` says so
    modulation: Modulation | None = None  # by regions, at full strength: it fades with the noise
    sound: int = 0  # latent frames before all others that are the clip's sound (`Backbone.sound`), as in all rows
    guidance: Tensor | None = None  # (k), weights of the guidance, for networks that have them as inputs


class Network(Protocol):
    """A model that was told its rows: what denoising, references and inversion are given, and all that they know."""

    def __call__(self, z: Tensor, timestep: Timestep | Tensor, anchor: Anchor | None = None) -> Tensor:
        """v for noisy latents z (B, f, C, h, w), float32. timestep: of all, or (B, f), one for every latent frame.
        anchor: what clips go on from."""


class Backbone(Protocol):
    """A model of some family, as one sees it who does not know the family.

    Made of the components of a model folder. Components may be moved between devices; `where` says which one computes.
    """

    name: ClassVar[str]
    quantizable: ClassVar[tuple[str, ...]]  # components whose weights may be kept in 8 bits
    reads_padding: ClassVar[bool]  # whether texts are padded to one length, and the padding is read like any token

    where: Where
    text: TextEncoder  # prompts to rows, and rows to characters
    latents: LatentSpace
    native: Native
    limits: Limits
    known_timestep: Timestep  # of the frames that a clip begins with, for models whose `Limits.piece` is not 0
    autocast: bool  # bfloat16 on processors that have instructions for it

    @property
    def patch(self) -> int:
        """Latents a side of what one video token covers."""

    @property
    def activation_size(self) -> float:
        """Video tokens of a clip of the native size times their width: what memory beside the weights grows with."""

    @property
    def histories(self) -> tuple[str, ...]:
        """Which of `defaults.HISTORIES` it can take, the usual one first."""

    @property
    def noising(self) -> Noising:
        """How noisy latents are at a timestep, and what the network predicts there."""

    def least_noise(self, t: Timestep) -> Timestep:
        """The least noisy timestep of those that the network of t was trained for: 0 where one network does all."""

    def padding_frames(self, frames: int) -> int:
        """Latent frames that have to come before the `frames` of a clip, and are cut off in the end."""

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Where a seed starts: latents (1, f, C, h, w), float32, on the device that computes."""

    def sound(self, shape: Sequence[int], generator: torch.Generator) -> Tensor | None:
        """Where the sound of a clip of that shape starts, for models that make it along with the picture: latent frames
        (1, s, C, h, w) that go before all others and are cut off in the end, drawn after its `noise`; else None."""

    def shown(self, first: np.ndarray, last: np.ndarray | None, num_frames: int, seed: int) -> Tensor:
        """What a model is told of the pictures, uint8 (H, W, 3), that a clip of a seed starts from and ends with,
        float32 (1, f, C', h, w), with the `padding_frames`; only for models whose `Limits.pictures` says so."""

    def picture_tokens(self, pictures: Sequence[np.ndarray]) -> Tensor:
        """Pictures, uint8 (H, W, 3), as tokens beside those of the text, float32 (r, n, t) on the CPU; only for models
        whose `Limits.prompts` or `Limits.looks` says so."""

    def sampler(self, steps: int, eta: float, shape: Sequence[int] | None = None) -> Sampler:
        """The steps from noise to latents. It may have a state: one a clip. shape: of the latents (1, f, C, h, w), by
        which some models lay out their steps; None for the native one."""

    def network(
        self,
        rows: Sequence[Conditions],
        *,
        references: Sequence[KeysValues] | None = None,
        witness: Witness | None = None,
        caches: Sequence[BlockCache] | None = None,
    ) -> Network:
        """The model, told what its rows are about. references: one a block, for all rows. witness: told the queries,
        keys and values of every block. caches: one a row, with which blocks may be passed over."""


class Family(Protocol):
    """How a family reads a model folder and is made of its components: what its module calls FAMILY."""

    name: str

    def native(self, folder: Path) -> Native:
        """What suits the model in a folder, by its configuration files alone."""

    def histories(self, folder: Path) -> tuple[str, ...]:
        """As `Backbone.histories`, by the configuration files alone."""

    def continues(self, folder: Path) -> bool:
        """Whether clips of the model can begin with the end of others, by the configuration files alone."""

    def components(self, folder: Path, precision: torch.dtype) -> dict[str, Any]:
        """The options with which `StoryPipeline.from_pretrained` loads the folder. Raises ThroughlineError for a folder
        of the family's autoencoder that is something else."""

    def bind(self, components: Mapping[str, ModelMixin | Any], where: Where) -> Backbone:
        """The backbone that the components of a pipeline are. With them are the settings of its model_index.json."""
