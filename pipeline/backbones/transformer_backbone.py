"""What all families have in common whose network is a `StoryTransformer3DModel`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..blocks.attention import AttentionContext, KeysValues, Rotary, Witness
from ..blocks.block_cache import BlockCache
from ..blocks.modulation import Modulation, batched
from ..blocks.windows import over_windows
from ..encoders.latents import LatentSpace, Where
from ..guidance import Anchor, Preconditioning
from ..sampling import Scheduler, Timestep, VariancePreserving
from ..transformer import StoryTransformer3DModel
from .base import Conditions, Limits, Native, Network
from .checkpoints import read_index
from .registry import class_of

ADAPTER = ("image_encoder", "extractor", "decoupler")  # components that trained history needs
WITH_ADAPTER, WITHOUT = ("trained", "reference", "off"), ("reference", "off")


class TransformerBackbone:
    """The parts of `base.Backbone` that need nothing but transformer, scheduler and preconditioning."""

    reads_padding = False
    known_timestep = 5  # a little noise, against drift from piece to piece
    continuation: StoryTransformer3DModel | None = None  # of clips that go on, where they have one of their own
    extra: int = 0  # channels of its input for the picture that a clip starts from
    window: int = 0  # latent frames that are made at once, longer clips in windows; 0 for all at once
    precondition: Preconditioning
    native: Native
    limits: Limits
    latents: LatentSpace

    def __init__(self, components: Mapping[str, Any], where: Where) -> None:
        self.where, self.autocast = where, True
        self.transformer: StoryTransformer3DModel = components["transformer"]
        self.scheduler: Scheduler = components["scheduler"]
        self.has_adapter = all(components.get(name) is not None for name in ADAPTER)

    @property
    def patch(self) -> int:
        return int(self.transformer.config.patch_size)

    @property
    def activation_size(self) -> float:
        config, native, unit = self.transformer.config, self.native, self.latents.unit * self.patch
        frames = (native.num_frames - 1) // self.latents.period + 1
        tokens = frames * (native.height // unit) * (native.width // unit) / (config.patch_size_t or 1)
        return tokens * config.num_attention_heads * config.attention_head_dim

    @property
    def histories(self) -> tuple[str, ...]:
        return WITH_ADAPTER if self.has_adapter else WITHOUT

    @property
    def noising(self) -> VariancePreserving:
        return VariancePreserving(self.scheduler.alphas_cumprod)

    def alpha_bars(self, times: Tensor) -> Tensor:
        """ᾱ at timesteps of any shape, float32 on their device."""
        known = self.noising.alpha_bars
        return known[times.to(known.device)].float().to(times.device)

    def least_noise(self, t: Timestep) -> Timestep:
        return 0

    def padding_frames(self, frames: int) -> int:
        return 0

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return torch.randn(tuple(shape), generator=generator).to(self.where())

    def sound(self, shape: Sequence[int], generator: torch.Generator) -> Tensor | None:
        return None

    def shown(self, first: np.ndarray, last: np.ndarray | None, num_frames: int, seed: int) -> Tensor:
        raise NotImplementedError("it is not told of pictures: its limits say so")

    def picture_tokens(self, pictures: Sequence[np.ndarray]) -> Tensor:
        raise NotImplementedError("it reads no pictures: its limits say so")

    def ofs(self, rows: int, device: torch.device) -> Tensor | None:
        """What the stock pipeline tells a network that has an embedding for it, (B); None for others."""
        return None

    def positions(self, shape: Sequence[int]) -> Rotary:
        """Of the video tokens of latents (B, f, C, h, w); None for a transformer that knows them itself."""
        return None

    def network(
        self,
        rows: Sequence[Conditions],
        *,
        references: Sequence[KeysValues] | None = None,
        witness: Witness | None = None,
        caches: Sequence[BlockCache] | None = None,
    ) -> Network:
        place, dtype = self.where(), self.transformer.dtype
        text, mask = padded([row.text.to(place, dtype) for row in rows])
        pasts = [None if row.history is None else row.history.to(place, dtype) for row in rows]
        history, history_mask = _padded_history(pasts)
        text_mask = None if self.reads_padding else mask
        context = AttentionContext(None, text_mask, history_mask, references, witness)
        past = 0 if history is None else history.shape[1]
        modulation = batched([row.modulation for row in rows], text.shape[1], past)
        pictures = [row.pictures for row in rows]
        weights = [row.guidance.to(place, dtype) for row in rows if row.guidance is not None]
        guidance = torch.stack(weights) if weights else None
        steered = modulation and modulation.to(place)
        return _Told(self, text, history, context, caches, pictures, steered, guidance)


@dataclass(frozen=True)
class _Told:
    """A `base.Network`."""

    backbone: TransformerBackbone
    text: Tensor  # (B, L, t)
    history: Tensor | None  # (B, H, d)
    context: AttentionContext
    caches: Sequence[BlockCache] | None
    pictures: Sequence[Tensor | None]  # of every row, (f, C', h, w)
    modulation: Modulation | None = None
    guidance: Tensor | None = None  # (B, k)

    def __call__(self, z: Tensor, timestep: Timestep | Tensor, anchor: Anchor | None = None) -> Tensor:
        own, z = self.backbone, z.to(self.backbone.where())
        shared = timestep if isinstance(timestep, Tensor) else torch.tensor([int(timestep)])
        times = shared.to(z.device).expand(len(z), *shared.shape[1:])
        window, frames = own.window, z.shape[1]
        if not 0 < window < frames or self.modulation is not None:
            return self._at_once(z, times, anchor)
        times = times.reshape(len(z), -1).expand(-1, frames)
        plain = replace(self, caches=None)  # they are of clips that are made at once
        return over_windows(plain._at_once, z, times, own.alpha_bars(times), anchor, window)

    def _at_once(self, z: Tensor, times: Tensor, anchor: Anchor | None) -> Tensor:
        """times: int64 (B), or (B, f)."""
        own, place, context = self.backbone, z.device, self.context
        network = own.transformer if anchor is None or own.continuation is None else own.continuation
        positions = own.positions(z.shape)
        if self.modulation is not None:
            context = replace(context, modulation=self.modulation.at(float(times.max()) / own.noising.total))

        def predict(x: Tensor) -> Tensor:
            with fast_on_cpu(place, own.autocast):
                return network(
                    self._with_pictures(x).to(network.dtype),
                    self.text,
                    times,
                    self.guidance,
                    ofs=own.ofs(len(x), place),
                    image_rotary_emb=positions,
                    history=self.history,
                    context=context,
                    caches=self.caches,
                ).sample

        return own.precondition(predict, z, own.alpha_bars(times), anchor).float()

    def _with_pictures(self, x: Tensor) -> Tensor:
        """x (B, f, C, h, w) with the channels of what it is shown; zeros for rows that start from no picture, as
        keyframes do."""
        if not self.backbone.extra:
            return x
        nothing = x.new_zeros(x.shape[1], self.backbone.extra, *x.shape[3:])
        return torch.cat([x, torch.stack([nothing if one is None else one.to(x) for one in self.pictures])], dim=2)


def histories_of(folder: Path) -> tuple[str, ...]:
    """`base.Family.histories` of all these families."""
    index = read_index(folder / "model_index.json")
    return WITH_ADAPTER if all(class_of(index, name) for name in ADAPTER) else WITHOUT


def to_device(rotary: Rotary, device: torch.device) -> Rotary:
    return rotary and (rotary[0].to(device), rotary[1].to(device))


def fast_on_cpu(device: torch.device, wanted: bool) -> torch.autocast:
    """bfloat16 where the processor has instructions for it (two to three times faster); elsewhere nothing."""
    supported: Callable[[], bool] = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and device.type == "cpu" and supported())


def padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows (n_i, d) as one tensor (B, n, d), and bool (B, n), True where there is a token."""
    lengths = torch.tensor([len(row) for row in rows], device=rows[0].device)
    joined = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    return joined, torch.arange(joined.shape[1], device=joined.device) < lengths[:, None]


def _padded_history(rows: Sequence[Tensor | None]) -> tuple[Tensor | None, Tensor | None]:
    """As `padded`; None for a row that remembers nothing, and for all if none remembers."""
    some = next((row for row in rows if row is not None), None)
    return (None, None) if some is None else padded([some[:0] if row is None else row for row in rows])
