"""Wan's transformer with a second stream, VACE: it is shown pictures of who and what is to be in the clip.

Letters: as in `transformer`; r pictures, C' control channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from diffusers import ModelMixin, WanVACETransformer3DModel  # noqa: F401  DiffusionPipeline looks for ModelMixin here
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from torch import Tensor

from ...blocks.attention import AttentionContext
from ...blocks.block_cache import BlockCache
from .latents import WanLatents
from .transformer import Steered, Told, wan_block

NOISE_SEED = 0  # of the noise on pictures: always the same
KEPT_CONTROLS = 4  # of clips, by their shape


class StoryWanVACETransformer3DModel(Steered, WanVACETransformer3DModel):
    """WanVACETransformer3DModel: the very same weights, and the very same output unless it is given a witness or
    caches."""

    def forward(
        self,
        hidden_states: Tensor,  # (B, C, f, h, w), noisy latents
        timestep: Tensor,  # (B)
        encoder_hidden_states: Tensor,  # (B, L, t)
        *,
        control_hidden_states: Tensor,  # (B, C', f, h, w)
        context: AttentionContext | None = None,
        caches: Sequence[BlockCache] | None = None,  # one a row: blocks may be passed over
    ) -> Transformer2DModelOutput:
        """The model's prediction for the latents, (B, C, f, h, w)."""
        if (context is None or context.is_plain) and caches is None:
            return super().forward(
                hidden_states, timestep, encoder_hidden_states, control_hidden_states=control_hidden_states
            )
        context = replace(context or AttentionContext(), rotary=self.rope(hidden_states))
        embedded, time, text, _ = self.condition_embedder(timestep, encoder_hidden_states, None)
        video, control = (
            embed(x).flatten(2).transpose(1, 2)
            for embed, x in (
                (self.patch_embedding, hidden_states),
                (self.vace_patch_embedding, control_hidden_states),
            )
        )
        told = Told(video, text, time.unflatten(1, (6, -1)), None)
        video = self._blocks(told._replace(hints=self._hints(told, control, context)), context, caches)
        return Transformer2DModelOutput(sample=self._unpatch(self._final(video, embedded), hidden_states))

    @property
    def hinted(self) -> Sequence[int]:  # type: ignore[override]
        return list(self.config.vace_layers)

    def _hints(self, told: Told, control: Tensor, context: AttentionContext) -> tuple[Tensor, ...]:
        """What the second stream says to the first. Nobody looks into it, and it looks at no references."""
        context, hints = replace(context, witness=None, references=None), list[Tensor]()
        for index, block in enumerate(self.vace_blocks):
            if block.proj_in is not None:
                control = block.proj_in(control) + told.video
            control = wan_block(block, told._replace(video=control), context, index)
            hints.append(block.proj_out(control))
        return tuple(hints)


class Controls:
    """What the second stream is told, as WanVACEPipeline tells it: that all frames are to be made, and pictures of what
    is to be in them, cut out, on white."""

    def __init__(self, latents: WanLatents) -> None:
        self.latents = latents
        self._made: dict[tuple[float, tuple[int, ...]], Tensor] = {}

    def __call__(self, x: Tensor, keyframes: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The control of clips x (B, C, f, h, w), (B, C', r + f, h, w), and the pictures (B, C, r, h, w) that it shows.
        keyframes: (B, r, C + 1, h, w), latents and 1 where they were kept."""
        grey = self._plain(0.0, x)
        control = torch.cat([grey, grey, grey.new_ones(1, self.latents.unit**2, *grey.shape[2:])], dim=1)
        control = control.expand(len(x), -1, -1, -1, -1)
        if keyframes is None:
            return control, None
        keyframes = keyframes.to(control).transpose(1, 2)
        shown = torch.where(keyframes[:, -1:] > 0, keyframes[:, :-1], self._plain(1.0, x[:, :, :1]))
        nothing = shown.new_zeros(len(x), control.shape[1] - shown.shape[1], *shown.shape[2:])
        return torch.cat([torch.cat([shown, nothing], dim=1), control], dim=2), shown

    def _plain(self, shade: float, x: Tensor) -> Tensor:
        """Latents of a clip of one shade, 1 for white, with as many of them as x has, (1, C, f, h, w)."""
        key = (shade, tuple(x.shape[2:]))
        if key not in self._made:
            f, h, w = x.shape[2:]
            frames = (f - 1) * self.latents.period + 1
            video = torch.full((1, 3, frames, h * self.latents.unit, w * self.latents.unit), shade)
            self._made = dict([*self._made.items(), (key, self.latents.encoded(video).float())][-KEPT_CONTROLS:])
        return self._made[key].to(x.device)
