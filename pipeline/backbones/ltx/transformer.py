"""LTX-Video's transformer, whose video tokens may also look at the patches of references.

Letters: B batch, L text tokens, N video tokens, R reference patches, C latent channels, d width, e width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from diffusers import LTXVideoTransformer3DModel, ModelMixin  # noqa: F401  DiffusionPipeline looks for ModelMixin here
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.transformers.transformer_ltx import LTXAttention, LTXVideoTransformerBlock, apply_rotary_emb
from torch import Tensor

from ...blocks.attention import AttentionContext, KeysValues, Rotary
from ...blocks.block_cache import BlockCache, due_rows, reassembled
from ...blocks.modulation import attend_modulated


class Told(NamedTuple):
    """What a block is told."""

    video: Tensor  # (B, N, d)
    text: Tensor  # (B, L, d)
    there: Tensor  # bool (B, L), True where there is a token
    time: Tensor  # what the timesteps modulate by, (B, 1, 6, d)

    def rows(self, rows: Sequence[int]) -> Told:
        """Those of some rows of the batch."""
        return Told(*(x[list(rows)] for x in self))


class StoryLTXVideoTransformer3DModel(LTXVideoTransformer3DModel):
    """LTXVideoTransformer3DModel: the very same weights, and the very same output unless it is given references, a
    witness, strengths, regions or caches."""

    def forward(
        self,
        hidden_states: Tensor,  # (B, N, C), noisy latents
        encoder_hidden_states: Tensor,  # (B, L, t)
        timestep: Tensor,  # (B)
        encoder_attention_mask: Tensor,  # bool (B, L), True where there is a token
        *args: Any,
        context: AttentionContext | None = None,
        caches: Sequence[BlockCache] | None = None,  # one a row: blocks may be passed over
        **grid: Any,  # how many latents a side there are, and what positions count in: as the stock model
    ) -> Transformer2DModelOutput:
        """The model's prediction for the latents, (B, N, C)."""
        stock = (hidden_states, encoder_hidden_states, timestep, encoder_attention_mask, *args)
        if (context is None or context.is_plain) and caches is None:
            return super().forward(*stock, **grid)
        context = replace(context or AttentionContext(), rotary=self.rope(hidden_states, **grid))
        video = self.proj_in(hidden_states)
        time, embedded = self.time_embed(timestep, batch_size=len(video), hidden_dtype=video.dtype)
        told = Told(
            video,
            self.caption_projection(encoder_hidden_states),
            encoder_attention_mask.bool(),
            time.view(len(video), 1, 6, -1),
        )
        return Transformer2DModelOutput(sample=self._final(self._blocks(told, context, caches), embedded))

    def _blocks(self, told: Told, context: AttentionContext, caches: Sequence[BlockCache] | None) -> Tensor:
        """The video after all blocks, of which rows that hardly change pass over all but the first."""
        last = len(self.transformer_blocks)
        if caches is None:
            return self._run(range(last), told, context)
        before, made = told.video, None
        after = self._run(range(1), told, context)
        due = due_rows(caches, before, after)
        if due:
            made = self._run(range(1, last), told._replace(video=after).rows(due), context.rows(due))
        return reassembled(caches, due, before, after, made)

    def _run(self, layers: Sequence[int], told: Told, context: AttentionContext) -> Tensor:
        for index in layers:
            told = told._replace(video=ltx_block(self.transformer_blocks[index], told, context, index))
        return told.video

    def _final(self, video: Tensor, embedded: Tensor) -> Tensor:
        """embedded: of the timesteps, (B, d)."""
        shift, scale = (self.scale_shift_table[None] + embedded.view(len(video), 1, -1)).unbind(1)
        return self.proj_out(self.norm_out(video) * (1 + scale[:, None]) + shift[:, None])


def ltx_block(block: LTXVideoTransformerBlock, told: Told, context: AttentionContext, index: int) -> Tensor:
    """LTXVideoTransformerBlock.forward with references and a witness. index: of the block."""
    video, text, there, time = told
    table = block.scale_shift_table.to(time.device)  # offloaded by layers it comes with the block's own forward alone
    shift, scale, gate, shift_fed, scale_fed, gate_fed = (table + time).unbind(2)

    attended, own = _self_attention(block.attn1, block.norm1(video) * (1 + scale) + shift, context, index)
    video = video + attended * gate
    video = video + _cross_attention(block.attn2, video, text, there, context, own)
    return video + block.ff(block.norm2(video) * (1 + scale_fed) + shift_fed) * gate_fed


def _self_attention(
    attention: LTXAttention, video: Tensor, context: AttentionContext, index: int
) -> tuple[Tensor, KeysValues]:
    """Video attends to itself and, in the same softmax, to the patches of references. Also gives its own keys and
    values."""
    q, k = (_heads(attention, name, video, context.rotary) for name in "qk")
    v = _heads(attention, "v", video)
    keys, values = context.beside(index, (k, v))
    if context.modulation is None:
        attended = F.scaled_dot_product_attention(q, keys, values)
    else:
        attended = attend_modulated(q, keys, values, (context.modulation.video,))
    return _merge(attention, attended), (k, v)


def _cross_attention(
    attention: LTXAttention, video: Tensor, text: Tensor, there: Tensor, context: AttentionContext, own: KeysValues
) -> Tensor:
    """Video attends to the text without its padding."""
    q, k, v = _heads(attention, "q", video), _heads(attention, "k", text), _heads(attention, "v", text)
    if context.witness is not None:
        length = int(there.sum(1).max())
        keys, values = (torch.cat([x[:, :, :length], y], dim=2) for x, y in zip((k, v), own, strict=True))
        context.witness(F.pad(q, (0, 0, length, 0)), keys, values)
    seen = there[:, None, None]
    if context.modulation is not None:
        return _merge(attention, attend_modulated(q, k, v, (context.modulation.text,), seen))
    if context.text_strengths is not None:
        strengths = context.text_strengths[:, None, None].to(q.dtype)
        seen = strengths.masked_fill(~seen, -torch.inf)
    return _merge(attention, F.scaled_dot_product_attention(q, k, v, attn_mask=seen))


def _heads(attention: LTXAttention, name: str, x: Tensor, rotary: Rotary = None) -> Tensor:
    """(B, n, d) to queries, keys or values, (B, heads, n, e)."""
    x = getattr(attention, f"to_{name}")(x)
    if name in "qk":
        x = getattr(attention, f"norm_{name}")(x)
    x = x if rotary is None else apply_rotary_emb(x, rotary)
    return x.unflatten(2, (attention.heads, -1)).transpose(1, 2)


def _merge(attention: LTXAttention, x: Tensor) -> Tensor:
    return attention.to_out[1](attention.to_out[0](x.transpose(1, 2).flatten(2)))
