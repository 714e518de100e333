"""LTX-2 as a `Backbone`: one transformer that makes picture and sound together, each of which looks at the other.

Sound travels as latent frames before those of a clip. What has none, a keyframe or a clip that is edited, goes through
the network with picture and sound apart, as in a branch of the stock pipeline's guidance.

Does not cover: decoding the sound; clips that begin with pictures; block caches; guidance by branches in which
attention is passed over or picture and sound are apart, and of sound by another weight.

Letters: B rows, f latent frames of a clip, s of its sound, n tokens of its sound, a channels of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from diffusers import LTX2VideoTransformer3DModel
from torch import Tensor

from ...blocks.attention import AttentionContext, KeysValues, Witness
from ...blocks.block_cache import BlockCache
from ...blocks.modulation import Modulation, batched
from ...encoders.latents import Where
from ...encoders.text import TextEncoder
from ...guidance import Anchor
from ...sampling import Timestep
from ..base import Conditions, Limits, Native, Network
from ..ltx.backbone import LTXBackbone
from .attention import install, listening
from .text import LTX2TextEncoder, connected

NATIVE = Native(512, 768, 121, 24, steps=30, text=3.0, history=1.5, period=8)  # as LTX2Pipeline's defaults
SHIFTS = {"base_image_seq_len": 1024, "max_image_seq_len": 4096, "base_shift": 0.95, "max_shift": 2.05}  # its own


class LTX2Backbone(LTXBackbone):
    """Without history its clips are those of diffusers' LTX2Pipeline, guided by the one weight of the text
    (docs/large-models.md says with which arguments)."""

    name: ClassVar[str] = "ltx2"
    usual: ClassVar[Native] = NATIVE
    shifts: ClassVar[Mapping[str, float]] = SHIFTS

    transformer: LTX2VideoTransformer3DModel  # type: ignore[assignment]

    def __init__(self, components: Mapping[str, Any], where: Where) -> None:
        self.connectors = components["connectors"]
        self._connected: tuple[Sequence[Tensor], tuple[Tensor, Tensor]] = ((), (torch.empty(0), torch.empty(0)))
        super().__init__(components, where)
        install(self.transformer)
        heard, config = components["audio_vae"], components["audio_vae"].config
        self.sound_channels, self.sound_bins = config.latent_channels, config.mel_bins // heard.mel_compression_ratio
        self.sound_rate = config.sample_rate / config.mel_hop_length / heard.temporal_compression_ratio  # a second

    def _encoder(self, components: Mapping[str, Any]) -> TextEncoder:
        return LTX2TextEncoder(components["text_encoder"], components["tokenizer"], self.connectors, self.where)

    def _limits(self) -> Limits:
        """As far as the positions reach that it knows."""
        config, unit = self.transformer.config, self.latents.unit
        longest = config.pos_embed_max_pos * self.native.frames_per_second + 1
        height, width = config.base_height // unit * unit, config.base_width // unit * unit
        return Limits(unit, height, width, longest, has_eta=False)

    def sound_tokens(self, frames: int) -> int:
        """n, of a clip of f latent frames: as long as it is."""
        seconds = ((frames - 1) * self.latents.period + 1) / self.native.frames_per_second
        return round(seconds * self.sound_rate)

    def sound(self, shape: Sequence[int], generator: torch.Generator) -> Tensor | None:
        """In the order in which the stock pipeline draws it, channels first."""
        size = (1, self.sound_channels, self.sound_tokens(shape[1]), self.sound_bins)
        return _as_frames(torch.randn(size, generator=generator).transpose(1, 2).flatten(2), shape).to(self.where())

    def _texts(self, own: Sequence[Tensor], place: torch.device) -> tuple[Tensor, Tensor]:
        """As `connected`, worked out once for the very rows that are asked for step after step."""
        before, found = self._connected
        same = len(before) == len(own) and all(a is b for a, b in zip(before, own, strict=True))
        if not (same and found[0].device.type == place.type and found[0].dtype == self.connectors.dtype):
            found = connected(self.connectors, own, place)
            self._connected = own, found
        return found

    def network(
        self,
        rows: Sequence[Conditions],
        *,
        references: Sequence[KeysValues] | None = None,
        witness: Witness | None = None,
        caches: Sequence[BlockCache] | None = None,
    ) -> Network:
        place, words = self.where(), max(len(row.text) for row in rows)
        texts = self._texts([row.text for row in rows], place)
        context = AttentionContext(references=references, witness=witness)
        modulation = batched([row.modulation for row in rows], words)
        return _Told(self, texts, words, context, rows[0].sound, modulation and modulation.to(place))


@dataclass(frozen=True)
class _Told:
    """A `base.Network`."""

    backbone: LTX2Backbone
    texts: tuple[Tensor, Tensor]  # of picture and sound, (B, M, ...)
    words: int  # of the M rows of a text those that may be words
    context: AttentionContext
    sound: int  # s; 0 for clips without
    modulation: Modulation | None = None

    def __call__(self, z: Tensor, timestep: Timestep | Tensor, anchor: Anchor | None = None) -> Tensor:
        own, model, context = self.backbone, self.backbone.transformer, self.context
        x = z.to(own.where(), model.dtype)
        sound, picture = x[:, : self.sound], x[:, self.sound :].movedim(2, -1)  # (B, f, h, w, C)
        times = torch.as_tensor(timestep, dtype=torch.float32).to(x.device).expand(len(x))
        if self.modulation is not None:
            context = replace(context, modulation=self.modulation.at(float(times.max()) / own.noising.total))
        frames, height, width = picture.shape[1:4]
        tokens = own.sound_tokens(frames) if self.sound else 1  # of which there must be one
        heard = _as_tokens(sound, tokens, model.config.audio_in_channels)
        with listening(context, self.words):
            found = model(
                picture.flatten(1, 3), heard, *self.texts, times, sigma=times, num_frames=frames, height=height,
                width=width, fps=float(own.native.frames_per_second), audio_num_frames=tokens,
                isolate_modalities=not self.sound,
            )  # fmt: skip
        predicted = found.sample.unflatten(1, (frames, height, width)).movedim(-1, 2).float()
        if not self.sound:
            return predicted
        return torch.cat([_as_frames(found.audio_sample.float(), predicted.shape), predicted], dim=1)


def _as_frames(sound: Tensor, shape: Sequence[int]) -> Tensor:
    """Tokens of sound (B, n, a) as latent frames (B, s, C, h, w), as many as it takes, the rest of the last one zeros.
    shape: of the clip, (B, f, C, h, w)."""
    flat, size = sound.flatten(1), shape[2] * shape[3] * shape[4]
    return F.pad(flat, (0, -flat.shape[1] % size)).unflatten(1, (-1, *shape[2:]))


def _as_tokens(frames: Tensor, count: int, channels: int) -> Tensor:
    """Latent frames (B, s, C, h, w) as `count` tokens of sound, (B, n, a); zeros for no frames."""
    flat = frames.flatten(1)[:, : count * channels]
    return F.pad(flat, (0, count * channels - flat.shape[1])).unflatten(1, (count, channels))
