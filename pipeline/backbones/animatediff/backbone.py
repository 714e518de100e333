"""An image model with temporal layers as a `Backbone`: a U-Net that predicts noise, one latent a frame, CLIP's text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import UNetMotionModel
from torch import Tensor

from ...blocks.attention import AttentionContext, KeysValues, Witness, text_strengths
from ...blocks.block_cache import BlockCache
from ...blocks.modulation import Modulation, batched
from ...encoders.latents import Where
from ...encoders.padded_text import PaddedTextEncoder
from ...encoders.text import TextEncoder
from ...guidance import Anchor
from ...sampling import Sampler, Timestep, VariancePreserving
from ..base import Conditions, ImagePrompts, Limits, Native, Network
from ..distilled import suited
from .attention import Pass, install
from .ip_adapter import IPAdapter
from .latents import ImageLatents
from .prompts import MAX_TOKENS
from .samplers import ImageSampler, first_scale

HISTORIES = ("reference", "off")
LARGEST = 1024  # pixels a side
FRAMES, FRAMES_PER_SECOND = 16, 8  # what motion adapters are trained on
STEPS, TEXT, HISTORY = 25, 7.5, 1.5  # as in diffusers' examples, and w2
FEW_STEPS, LITTLE_TEXT = 6, 2.0  # of models distilled to be run with an LCMScheduler


class AnimateDiffBackbone:
    """Without history its clips are those of diffusers' AnimateDiffPipeline.

    Does not cover: block caches, which a U-Net's blocks have no common width for; text encoders of SDXL.
    """

    name: ClassVar[str] = "animatediff"
    quantizable: ClassVar[tuple[str, ...]] = ("transformer", "text_encoder")
    reads_padding: ClassVar[bool] = True
    histories = HISTORIES
    known_timestep = 0

    def __init__(self, components: Mapping[str, Any], where: Where) -> None:
        self.where, self.autocast = where, False
        self.transformer: UNetMotionModel = components["transformer"]
        self.scheduler = components["scheduler"]
        self.adapter: IPAdapter | None = components.get("ip_adapter")
        self.image_encoder = components.get("image_encoder")
        install(self.transformer, self.adapter)
        encoder, tokenizer = components["text_encoder"], components["tokenizer"]
        self.text: TextEncoder = PaddedTextEncoder(encoder, tokenizer, MAX_TOKENS, where)
        self.latents = ImageLatents(components["vae"], where)
        self.noising = VariancePreserving(self.scheduler.alphas_cumprod)
        self.predicts_noise = self.scheduler.config.prediction_type == "epsilon"
        config = self.transformer.config
        self.native = suited(native(config, self.latents.unit, type(self.scheduler).__name__), components)
        unit = self.latents.unit * 2 ** (len(config.block_out_channels) - 1)  # what a deepest token covers
        largest, has_eta = LARGEST // unit * unit, type(self.scheduler).__name__ == "DDIMScheduler"
        self.limits = Limits(
            unit, largest, largest, config.motion_max_seq_length, has_eta, strengths=True,
            prompts=self.adapter is not None,
        )  # fmt: skip

    @property
    def patch(self) -> int:
        """Of the coarsest layers that attend to the text on their way down, whose maps are the ones that mean most
        (Hertz et al. 2022)."""
        return 2 ** (sum("CrossAttn" in kind for kind in self.transformer.config.down_block_types) - 1)

    @property
    def activation_size(self) -> float:
        native, unit = self.native, self.latents.unit
        tokens = native.num_frames * (native.height // unit) * (native.width // unit)
        return float(tokens * self.transformer.config.block_out_channels[0])

    def least_noise(self, t: Timestep) -> Timestep:
        return 0

    def padding_frames(self, frames: int) -> int:
        return 0

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """In the precision and the order in which the stock pipeline draws it, channels first."""
        one, f, c, h, w = shape
        drawn = torch.randn((one, c, f, h, w), generator=generator, dtype=self.transformer.dtype).float()
        return first_scale(self.scheduler) * drawn.transpose(1, 2).contiguous().to(self.where())

    def sound(self, shape: Sequence[int], generator: torch.Generator) -> Tensor | None:
        return None

    def shown(self, first: np.ndarray, last: np.ndarray | None, num_frames: int, seed: int) -> Tensor:
        raise NotImplementedError("it is not told of pictures: its limits say so")

    def picture_tokens(self, pictures: Sequence[np.ndarray]) -> Tensor:
        assert self.adapter is not None and self.image_encoder is not None, "its limits say so"
        return self.adapter.tokens(pictures, self.image_encoder)

    def sampler(self, steps: int, eta: float, shape: Sequence[int] | None = None) -> Sampler:
        """The checkpoint's own."""
        return ImageSampler(self.scheduler, self.noising, steps, eta)

    def network(
        self,
        rows: Sequence[Conditions],
        *,
        references: Sequence[KeysValues] | None = None,
        witness: Witness | None = None,
        caches: Sequence[BlockCache] | None = None,
    ) -> Network:
        place = self.where()
        text = torch.stack([row.text for row in rows]).to(place, self.transformer.dtype)
        strengths = text_strengths([row.strengths for row in rows], text.shape[1], place)
        context = AttentionContext(references=references, witness=witness, text_strengths=strengths)
        modulation = batched([row.modulation for row in rows], text.shape[1])
        return _Told(self, text, context, modulation and modulation.to(place), _prompts(rows, place))


def _prompts(rows: Sequence[Conditions], place: torch.device) -> ImagePrompts | None:
    """Of all rows, (B, r, ...), with pictures that count nowhere for rows that have fewer; None if no row has any."""
    given = [row.prompts for row in rows]
    some = next((own for own in given if own is not None), None)
    if some is None:
        return None
    pads = zip(*((part[:0] for part in some) if own is None else own for own in given), strict=True)
    tokens, masks = (torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True).to(place) for parts in pads)
    return ImagePrompts(tokens, masks)


@dataclass(frozen=True)
class _Told:
    """A `base.Network`."""

    backbone: AnimateDiffBackbone
    text: Tensor  # (B, L, t)
    context: AttentionContext
    modulation: Modulation | None = None
    prompts: ImagePrompts | None = None  # (B, r, ...)

    def __call__(self, z: Tensor, timestep: Timestep | Tensor, anchor: Anchor | None = None) -> Tensor:
        own, frames = self.backbone, z.shape[1]
        t = torch.as_tensor(timestep).max()
        z, context = z.to(own.where()), self.context
        if self.modulation is not None:
            context = replace(context, modulation=self.modulation.at(float(t) / own.noising.total))
        grid = (z.shape[3] // own.patch, z.shape[4] // own.patch)
        is_stock = context.is_plain and self.prompts is None
        told = None if is_stock else {"told": Pass(context, frames, grid, prompts=self.prompts)}
        found = own.transformer(
            z.transpose(1, 2).to(own.transformer.dtype),
            t.to(z.device),
            self.text.repeat_interleave(frames, 0),
            cross_attention_kwargs=told,
        )
        predicted = found.sample.transpose(1, 2).float()
        if not own.predicts_noise:
            return predicted
        level = own.noising.level(float(t))
        return (predicted - level.sigma * z) / level.alpha


def native(config: Mapping[str, Any], unit: int, scheduler: str) -> Native:
    """By the configuration of a U-Net and the class of its scheduler. unit: pixels a side of a latent."""
    side = (config["sample_size"] or 64) * unit
    steps, text = (FEW_STEPS, LITTLE_TEXT) if scheduler == "LCMScheduler" else (STEPS, TEXT)
    frames = min(FRAMES, config.get("motion_max_seq_length", FRAMES))
    return Native(side, side, frames, FRAMES_PER_SECOND, steps, text, HISTORY, period=1)
