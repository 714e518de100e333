"""LTX-Video 0.9 as a `Backbone`: one transformer, flow matching over levels that depend on a clip's size.

Does not cover: clips that begin with pictures, though its network knows a timestep for every token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.pipelines.ltx.pipeline_ltx import calculate_shift
from torch import Tensor

from ...blocks.attention import AttentionContext, KeysValues, Witness, text_strengths
from ...blocks.block_cache import BlockCache
from ...blocks.modulation import Modulation, batched
from ...encoders.latents import Where
from ...encoders.text import TextEncoder
from ...guidance import Anchor
from ...sampling import FlowMatching, FlowSampler, Sampler, Timestep
from ..base import Conditions, Limits, Native, Network
from ..distilled import suited
from .latents import LTXLatents
from .prompts import MAX_TOKENS
from .text import LTXTextEncoder
from .transformer import StoryLTXVideoTransformer3DModel

HISTORIES = ("reference", "off")
NATIVE = Native(512, 704, 161, 25, steps=50, text=3.0, history=1.5, period=8)  # as LTXPipeline's defaults
LARGEST, LONGEST = 1280, 257  # pixels a side, frames: what its authors advise to stay below
SHIFTS = {"base_image_seq_len": 256, "max_image_seq_len": 4096, "base_shift": 0.5, "max_shift": 1.15}  # LTXPipeline's


class LTXBackbone:
    """Without history its clips are those of diffusers' LTXPipeline."""

    name: ClassVar[str] = "ltx"
    quantizable: ClassVar[tuple[str, ...]] = ("transformer", "text_encoder")
    reads_padding: ClassVar[bool] = False
    histories = HISTORIES
    known_timestep = 0.0
    patch = 1
    usual: ClassVar[Native] = NATIVE
    shifts: ClassVar[Mapping[str, float]] = SHIFTS

    def __init__(self, components: Mapping[str, Any], where: Where) -> None:
        self.where, self.autocast = where, False
        self.transformer: StoryLTXVideoTransformer3DModel = components["transformer"]
        self.scheduler = components["scheduler"]
        self.text = self._encoder(components)
        self.latents = LTXLatents(components["vae"], where)
        self.noising = FlowMatching(self.scheduler.config.num_train_timesteps)
        self.native = suited(self.usual, components)
        self.limits = self._limits()

    def _encoder(self, components: Mapping[str, Any]) -> TextEncoder:
        return LTXTextEncoder(components["text_encoder"], components["tokenizer"], MAX_TOKENS, self.where)

    def _limits(self) -> Limits:
        largest = LARGEST // self.latents.unit * self.latents.unit
        return Limits(self.latents.unit, largest, largest, LONGEST, has_eta=False, strengths=True)

    @property
    def activation_size(self) -> float:
        config = self.transformer.config
        return float(_tokens(self._native_shape()) * config.num_attention_heads * config.attention_head_dim)

    def _native_shape(self) -> tuple[int, ...]:
        unit, frames = self.latents.unit, (self.native.num_frames - 1) // self.latents.period + 1
        return 1, frames, self.latents.channels, self.native.height // unit, self.native.width // unit

    def least_noise(self, t: Timestep) -> Timestep:
        return 0

    def padding_frames(self, frames: int) -> int:
        return 0

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """In the order in which the stock pipeline draws it, channels first."""
        one, f, c, h, w = shape
        return torch.randn((one, c, f, h, w), generator=generator).transpose(1, 2).contiguous().to(self.where())

    def sound(self, shape: Sequence[int], generator: torch.Generator) -> Tensor | None:
        return None

    def shown(self, first: np.ndarray, last: np.ndarray | None, num_frames: int, seed: int) -> Tensor:
        raise NotImplementedError("it is not told of pictures: its limits say so")

    def picture_tokens(self, pictures: Sequence[np.ndarray]) -> Tensor:
        raise NotImplementedError("it reads no pictures: its limits say so")

    def sampler(self, steps: int, eta: float, shape: Sequence[int] | None = None) -> Sampler:
        """The checkpoint's own, Euler's, over even levels that are shifted by how many tokens a clip has."""
        config = self.scheduler.config
        known = [config.get(name, usual) for name, usual in self.shifts.items()]
        mu = calculate_shift(_tokens(shape or self._native_shape()), *known)
        return FlowSampler(self.scheduler, steps, sigmas=np.linspace(1.0, 1 / steps, steps).tolist(), mu=mu)

    def network(
        self,
        rows: Sequence[Conditions],
        *,
        references: Sequence[KeysValues] | None = None,
        witness: Witness | None = None,
        caches: Sequence[BlockCache] | None = None,
    ) -> Network:
        place, dtype = self.where(), self.transformer.dtype
        text = torch.stack([F.pad(row.text, (0, 0, 0, MAX_TOKENS - len(row.text))) for row in rows]).to(place, dtype)
        lengths = torch.tensor([len(row.text) for row in rows], device=place)
        there = torch.arange(MAX_TOKENS, device=place) < lengths[:, None]
        strengths = text_strengths([row.strengths for row in rows], MAX_TOKENS, place)
        context = AttentionContext(references=references, witness=witness, text_strengths=strengths)
        modulation = batched([row.modulation for row in rows], MAX_TOKENS)
        return _Told(self, text, there, context, caches, modulation and modulation.to(place))


@dataclass(frozen=True)
class _Told:
    """A `base.Network`."""

    backbone: LTXBackbone
    text: Tensor  # (B, MAX_TOKENS, t)
    there: Tensor  # bool (B, MAX_TOKENS), True where there is a token
    context: AttentionContext
    caches: Sequence[BlockCache] | None
    modulation: Modulation | None = None

    def __call__(self, z: Tensor, timestep: Timestep | Tensor, anchor: Anchor | None = None) -> Tensor:
        own, model = self.backbone, self.backbone.transformer
        x = z.movedim(2, -1).to(own.where(), model.dtype)  # (B, f, h, w, C)
        times = torch.as_tensor(timestep, dtype=torch.float32).to(x.device).expand(len(x))
        context = self.context
        if self.modulation is not None:
            context = replace(context, modulation=self.modulation.at(float(times.max()) / own.noising.total))
        unit, _, frames, height, width = own.latents.unit, *x.shape[:4]
        seconds = own.latents.period / own.native.frames_per_second  # that a latent stands for
        found = model(
            x.flatten(1, 3), self.text, times, self.there, context=context, caches=self.caches, num_frames=frames,
            height=height, width=width, rope_interpolation_scale=(seconds, unit, unit),
        )  # fmt: skip
        return found.sample.unflatten(1, (frames, height, width)).movedim(-1, 2).float()


def _tokens(shape: Sequence[int]) -> int:
    """Of latents (1, f, C, h, w)."""
    return shape[1] * shape[3] * shape[4]
