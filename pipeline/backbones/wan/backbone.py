"""Wan as a `Backbone`: one transformer or two experts, flow matching, texts padded with zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPVisionModel

from ...blocks.attention import AttentionContext, KeysValues, Witness, text_strengths
from ...blocks.block_cache import BlockCache
from ...blocks.modulation import Modulation, batched
from ...encoders.clip_pictures import pixels_for
from ...encoders.latents import Where, to_signed
from ...encoders.text import TextEncoder
from ...guidance import Anchor
from ...sampling import FlowMatching, FlowSampler, Sampler, Timestep
from ..base import Conditions, Limits, Native, Network
from ..distilled import KEY, suited
from .latents import WanLatents
from .prompts import MAX_TOKENS
from .text import WanTextEncoder
from .transformer import StoryWanTransformer3DModel
from .vace import NOISE_SEED, Controls

HISTORIES = ("reference", "off")
LARGEST, LONGEST = 1280, 161  # pixels a side, frames


class WanBackbone:
    """Without history its clips are those of diffusers' WanPipeline."""

    name: ClassVar[str] = "wan"
    quantizable: ClassVar[tuple[str, ...]] = ("transformer", "transformer_2", "text_encoder")
    reads_padding: ClassVar[bool] = True
    histories = HISTORIES
    known_timestep = 0.0

    def __init__(self, components: Mapping[str, Any], where: Where) -> None:
        self.where, self.autocast = where, False
        self.transformer: StoryWanTransformer3DModel = components["transformer"]
        self.expert: StoryWanTransformer3DModel | None = components.get("transformer_2")  # for little noise
        self.scheduler = components["scheduler"]
        self.text: TextEncoder = WanTextEncoder(components["text_encoder"], components["tokenizer"], where)
        self.latents = WanLatents(components["vae"], where)
        self.noising = FlowMatching(self.scheduler.config.num_train_timesteps)
        self.native, self.is_distilled = native(components), bool(components.get(KEY))
        ratio = components.get("boundary_ratio")
        self.boundary = 0.0 if ratio is None else ratio * self.noising.total  # the expert's timesteps are below it
        self.expands = bool(components.get("expand_timesteps"))  # whether every token is told its own timestep
        unit = self.latents.unit * self.patch
        largest = LARGEST // unit * unit
        self.extra = self.transformer.config.in_channels - self.latents.channels  # channels for what it is shown
        piece = LONGEST if self.expands else 0  # a token that has a timestep of its own may be known already
        is_vace = "vace_in_channels" in self.transformer.config
        self.controls = Controls(self.latents) if is_vace else None
        self.image_encoder: CLIPVisionModel | None = components.get("image_encoder")  # of models that read a picture
        self.limits = Limits(
            unit, largest, largest, LONGEST, has_eta=False, pictures=self.extra > 0,
            looks=self.image_encoder is not None, ends=self.extra > 0 and self.image_encoder is None, piece=piece,
            strengths=True, keyframes=is_vace,
        )  # fmt: skip

    @property
    def patch(self) -> int:
        return int(self.transformer.config.patch_size[1])

    @property
    def activation_size(self) -> float:
        config, native, unit = self.transformer.config, self.native, self.limits.unit
        frames = (native.num_frames - 1) // self.latents.period + 1
        tokens = frames * (native.height // unit) * (native.width // unit)
        return float(tokens * config.num_attention_heads * config.attention_head_dim)

    def least_noise(self, t: Timestep) -> Timestep:
        return self.boundary if t >= self.boundary else 0

    def padding_frames(self, frames: int) -> int:
        return 0

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """In the order in which the stock pipeline draws it, channels first."""
        one, f, c, h, w = shape
        return torch.randn((one, c, f, h, w), generator=generator).transpose(1, 2).contiguous().to(self.where())

    def sound(self, shape: Sequence[int], generator: torch.Generator) -> Tensor | None:
        return None

    def shown(self, first: np.ndarray, last: np.ndarray | None, num_frames: int, seed: int) -> Tensor:
        """A mask of which frames are there, one channel for each frame of a latent, and the latents of a clip of these
        pictures with grey between them."""
        video = torch.zeros(1, 3, num_frames, *first.shape[:2])
        video[:, :, :1] = to_signed(first)
        if last is not None:
            video[:, :, -1:] = to_signed(last)
        latents = self.latents.encoded(video)
        there = torch.zeros(1, self.latents.period, *latents.shape[2:], device=latents.device)
        there[:, :, 0] = 1
        if last is not None:
            there[:, -1, -1] = 1
        return torch.cat([there, latents], dim=1).transpose(1, 2)

    def picture_tokens(self, pictures: Sequence[np.ndarray]) -> Tensor:
        assert self.image_encoder is not None, "its limits say so"
        with torch.no_grad():
            seen = self.image_encoder(pixels_for(self.image_encoder, pictures), output_hidden_states=True)
        return seen.hidden_states[-2].float().cpu()

    def sampler(self, steps: int, eta: float, shape: Sequence[int] | None = None) -> Sampler:
        """The checkpoint's own: UniPC or Euler; of a distilled one Euler over levels that LoRAs are trained at."""
        spacing = {"sigmas": torch.linspace(1, 1 / steps, steps).tolist()} if self.is_distilled else {}
        return FlowSampler(self.scheduler, steps, **spacing)

    def network(
        self,
        rows: Sequence[Conditions],
        *,
        references: Sequence[KeysValues] | None = None,
        witness: Witness | None = None,
        caches: Sequence[BlockCache] | None = None,
    ) -> Network:
        groups = _alike(rows)
        if len(groups) > 1:
            own = [[rows[i] for i in group] for group in groups]
            kept = [caches and [caches[i] for i in group] for group in groups]
            networks = [self.network(r, references=references, caches=c) for r, c in zip(own, kept, strict=True)]
            return _Apart(groups, networks)
        place, dtype = self.where(), self.transformer.dtype
        text = torch.stack([F.pad(row.text, (0, 0, 0, MAX_TOKENS - len(row.text))) for row in rows]).to(place, dtype)
        mask = None
        if witness is not None:
            lengths = torch.tensor([len(row.text) for row in rows], device=place)
            mask = torch.arange(MAX_TOKENS, device=place) < lengths[:, None]
        strengths = text_strengths([row.strengths for row in rows], MAX_TOKENS, place)
        context = AttentionContext(None, mask, None, references, witness, strengths)
        modulation = batched([row.modulation for row in rows], MAX_TOKENS)
        pictures = [row.pictures for row in rows]
        some = rows[0].keyframes is not None
        keyframes = torch.stack([row.keyframes for row in rows if row.keyframes is not None]) if some else None
        read = [row.looks for row in rows if row.looks is not None]
        assert len(read) in (0, len(rows)), "all rows start from a picture, or none does"
        looks = torch.stack(read).to(place, dtype) if read else None
        return _Told(self, text, context, caches, pictures, modulation and modulation.to(place), keyframes, looks)


def _alike(rows: Sequence[Conditions]) -> list[list[int]]:
    """Rows by how many keyframes they are shown: those with as many can go through the model at once."""
    counts = [0 if row.keyframes is None else len(row.keyframes) for row in rows]
    return [[i for i, own in enumerate(counts) if own == count] for count in sorted(set(counts))]


@dataclass(frozen=True)
class _Apart:
    """A `base.Network` of several, each for some of the rows."""

    groups: Sequence[Sequence[int]]
    networks: Sequence[Network]

    def __call__(self, z: Tensor, timestep: Timestep | Tensor, anchor: Anchor | None = None) -> Tensor:
        order = [i for group in self.groups for i in group]
        found = [network(z[list(group)], timestep) for group, network in zip(self.groups, self.networks, strict=True)]
        return torch.cat(found)[torch.tensor(order).argsort()]


@dataclass(frozen=True)
class _Told:
    """A `base.Network`."""

    backbone: WanBackbone
    text: Tensor  # (B, MAX_TOKENS, t)
    context: AttentionContext
    caches: Sequence[BlockCache] | None
    pictures: Sequence[Tensor | None]  # of every row, (f, C', h, w)
    modulation: Modulation | None = None
    keyframes: Tensor | None = None  # (B, r, C + 1, h, w)
    looks: Tensor | None = None  # (B, n, v), of the pictures that clips start from

    def __call__(self, z: Tensor, timestep: Timestep | Tensor, anchor: Anchor | None = None) -> Tensor:
        own, times = self.backbone, torch.as_tensor(timestep, dtype=torch.float32)
        model = own.transformer if own.expert is None or times.max() >= own.boundary else own.expert
        x = z.transpose(1, 2).to(own.where(), model.dtype)
        shown, told = 0, {} if self.looks is None else {"encoder_hidden_states_image": self.looks}
        if own.controls is not None:
            control, pictures = own.controls(x, self.keyframes)
            told = {"control_hidden_states": control.to(x)}
            if pictures is not None:
                shown = pictures.shape[2]
                x = torch.cat([self._noised(pictures, float(times.max())).to(x), x], dim=2)
        times = times.to(x.device).expand(x.shape[0], x.shape[2])
        if own.expands:
            times = times.repeat_interleave((x.shape[3] // own.patch) * (x.shape[4] // own.patch), dim=1)
        else:
            times = times[:, 0]
        if own.extra:
            x = torch.cat([x, self._shown(x)], dim=1)
        context = self.context
        if self.modulation is not None:
            context = replace(context, modulation=self.modulation.at(float(times.max()) / own.noising.total))
        found = model(x, times, self.text, context=context, caches=self.caches, **told)
        return found.sample[:, :, shown:].transpose(1, 2).float()

    def _noised(self, pictures: Tensor, t: Timestep) -> Tensor:
        """Pictures as they would be in the clip at timestep t: they stand before it, and are not of it."""
        noise = torch.randn(pictures.shape[1:], generator=torch.Generator().manual_seed(NOISE_SEED))
        return self.backbone.noising.level(t).noised(pictures, noise.to(pictures))

    def _shown(self, x: Tensor) -> Tensor:
        """Beside x (B, C, f, h, w), (B, C', f, h, w): zeros for rows that start from no picture, as keyframes do."""
        nothing = x.new_zeros(x.shape[2], self.backbone.extra, *x.shape[3:])
        rows = [nothing if one is None else one.to(x) for one in self.pictures]
        return torch.stack(rows).transpose(1, 2)


def native(settings: Mapping[str, Any]) -> Native:
    """By what tells the models apart in a model_index.json: expand_timesteps (2.2 5B) and boundary_ratio (2.2 A14B,
    with two experts); neither for 2.1. Sizes, steps and w1 as in diffusers' examples."""
    if settings.get("expand_timesteps"):
        found = Native(704, 1280, 121, 24, steps=50, text=5.0, history=1.5, period=4)
    elif settings.get("boundary_ratio") is not None:
        found = Native(720, 1280, 81, 16, steps=40, text=4.0, history=1.5, period=4)
    else:
        found = Native(480, 832, 81, 16, steps=50, text=5.0, history=1.5, period=4)
    return suited(found, settings)
