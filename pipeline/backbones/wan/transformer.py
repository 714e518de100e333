"""Wan's transformer, whose video tokens may also look at the patches of references.

Letters: B batch, L text tokens, I tokens of pictures, N video tokens, R reference patches, d width, e width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from diffusers import ModelMixin, WanTransformer3DModel  # noqa: F401  DiffusionPipeline looks for ModelMixin here
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.transformers.transformer_wan import WanAttention, WanTransformerBlock
from torch import Tensor

from ...blocks.attention import AttentionContext, KeysValues
from ...blocks.block_cache import BlockCache, due_rows, reassembled
from ...blocks.modulation import attend_modulated


class Told(NamedTuple):
    """What a block is told."""

    video: Tensor  # (B, N, d)
    text: Tensor  # (B, L, d)
    time: Tensor  # what the timesteps modulate by, (B, 6, d) or (B, N, 6, d)
    pictures: Tensor | None  # (B, I, d)
    hints: tuple[
        Tensor, ...
    ] = ()  # (B, N, d) each, what is added to the video behind a block, for models that have any

    def rows(self, rows: Sequence[int]) -> Told:
        """Those of some rows of the batch."""
        chosen = list(rows)
        pictures = None if self.pictures is None else self.pictures[chosen]
        hints = tuple(hint[chosen] for hint in self.hints)
        return Told(self.video[chosen], self.text[chosen], self.time[chosen], pictures, hints)


class Steered:
    """What both of Wan's transformers have in common."""

    blocks: Any
    config: Any
    scale_shift_table: Tensor
    norm_out: Any
    proj_out: Any
    hinted: Sequence[int] = ()  # the blocks that hints belong to

    def _blocks(self, told: Told, context: AttentionContext, caches: Sequence[BlockCache] | None) -> Tensor:
        """The video after all blocks, of which rows that hardly change pass over all but the first."""
        last = len(self.blocks)
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
            video = wan_block(self.blocks[index], told, context, index)
            if index in self.hinted:
                video = video + told.hints[self.hinted.index(index)]
            told = told._replace(video=video)
        return told.video

    def _final(self, video: Tensor, embedded: Tensor) -> Tensor:
        """embedded: of the timesteps, (B, d) or (B, N, d)."""
        table = self.scale_shift_table if embedded.ndim == 2 else self.scale_shift_table[:, None]
        shift, scale = (table + embedded.unsqueeze(-2)).unbind(-2)
        if embedded.ndim == 2:
            shift, scale = shift[:, None], scale[:, None]
        return self.proj_out((self.norm_out(video.float()) * (1 + scale) + shift).type_as(video))

    def _unpatch(self, tokens: Tensor, like: Tensor) -> Tensor:
        """(B, N, patch values) to (B, C, f, h, w)."""
        grid = [n // p for n, p in zip(like.shape[2:], self.config.patch_size, strict=True)]
        x = tokens.reshape(len(tokens), *grid, *self.config.patch_size, -1).permute(0, 7, 1, 4, 2, 5, 3, 6)
        return x.flatten(6, 7).flatten(4, 5).flatten(2, 3)


class StoryWanTransformer3DModel(Steered, WanTransformer3DModel):
    """WanTransformer3DModel: the very same weights, and the very same output unless it is given references, a witness
    or caches."""

    def forward(
        self,
        hidden_states: Tensor,  # (B, C, f, h, w), noisy latents
        timestep: Tensor,  # (B), or (B, N): one for every video token
        encoder_hidden_states: Tensor,  # (B, L, t)
        encoder_hidden_states_image: Tensor | None = None,  # (B, I, v)
        return_dict: bool = True,
        attention_kwargs: dict | None = None,
        *,
        context: AttentionContext | None = None,
        caches: Sequence[BlockCache] | None = None,  # one a row: blocks may be passed over
    ) -> Transformer2DModelOutput | tuple[Tensor]:
        """The model's prediction for the latents, (B, C, f, h, w)."""
        if (context is None or context.is_plain) and caches is None:
            return super().forward(
                hidden_states, timestep, encoder_hidden_states, encoder_hidden_states_image, return_dict,
                attention_kwargs,
            )  # fmt: skip
        context = replace(context or AttentionContext(), rotary=self.rope(hidden_states))
        embedded, time, text, pictures = self.condition_embedder(
            timestep.flatten(),
            encoder_hidden_states,
            encoder_hidden_states_image,
            timestep_seq_len=timestep.shape[1] if timestep.ndim == 2 else None,
        )
        video = self.patch_embedding(hidden_states).flatten(2).transpose(1, 2).contiguous()
        time = time.unflatten(-1, (6, -1))
        video = self._blocks(Told(video, text, time, pictures), context, caches)
        output = self._unpatch(self._final(video, embedded), hidden_states)
        return Transformer2DModelOutput(sample=output) if return_dict else (output,)


def wan_block(block: WanTransformerBlock, told: Told, context: AttentionContext, index: int) -> Tensor:
    """WanTransformerBlock.forward with references and a witness. index: of the block."""
    video, text, time, pictures, _ = told
    table = block.scale_shift_table.to(time.device)  # offloaded by layers it comes with the block's own forward alone
    table = table if time.ndim == 3 else table[None]
    modulation = (table + time.float()).unbind(-2)
    if time.ndim == 3:
        modulation = tuple(x[:, None] for x in modulation)
    shift, scale, gate, shift_fed, scale_fed, gate_fed = modulation

    normed = (block.norm1(video.float()) * (1 + scale) + shift).type_as(video)
    attended, own = _self_attention(block.attn1, normed, context, index)
    video = (video.float() + attended * gate).type_as(video)

    normed = block.norm2(video.float()).type_as(video)
    video = video + _cross_attention(block.attn2, normed, text, pictures, context, own)

    normed = (block.norm3(video.float()) * (1 + scale_fed) + shift_fed).type_as(video)
    return (video.float() + block.ffn(normed).float() * gate_fed).type_as(video)


def _self_attention(
    attention: WanAttention, video: Tensor, context: AttentionContext, index: int
) -> tuple[Tensor, KeysValues]:
    """Video attends to itself and, in the same softmax, to the patches of references. Also gives its own keys and
    values."""
    q, k = (rotated(x, context.rotary) for x in (_heads(attention, "q", video), _heads(attention, "k", video)))
    v = _heads(attention, "v", video)
    keys, values = context.beside(index, (k, v))
    if context.modulation is None:
        attended = F.scaled_dot_product_attention(q, keys, values)
    else:
        attended = attend_modulated(q, keys, values, (context.modulation.video,))
    return _merge(attention, attended), (k, v)


def _cross_attention(
    attention: WanAttention,
    video: Tensor,
    text: Tensor,
    pictures: Tensor | None,
    context: AttentionContext,
    own: KeysValues,
) -> Tensor:
    """Video attends to the text, padding included, and, apart from that, to pictures."""
    q, k, v = _heads(attention, "q", video), _heads(attention, "k", text), _heads(attention, "v", text)
    if context.witness is not None:
        _tell(context, q, (k, v), own)
    strengths = context.text_strengths
    bias = None if strengths is None else strengths[:, None, None].to(q.dtype)
    if context.modulation is None:
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    else:
        attended = attend_modulated(q, k, v, (context.modulation.text,))
    if pictures is not None:
        k, v = attention.norm_added_k(attention.add_k_proj(pictures)), attention.add_v_proj(pictures)
        k, v = (x.unflatten(2, (attention.heads, -1)).transpose(1, 2) for x in (k, v))
        attended = attended + F.scaled_dot_product_attention(q, k, v)
    return _merge(attention, attended)


def _tell(context: AttentionContext, q: Tensor, text: KeysValues, own: KeysValues) -> None:
    """The witness is told what video looks at the text with, and behind the keys and values of the text, without its
    padding, those of the patches: as where both are in one attention."""
    assert context.witness is not None and context.text_mask is not None
    length = int(context.text_mask.sum(1).max())
    keys, values = (torch.cat([x[:, :, :length], y], dim=2) for x, y in zip(text, own, strict=True))
    context.witness(F.pad(q, (0, 0, length, 0)), keys, values)


def _heads(attention: WanAttention, name: str, x: Tensor) -> Tensor:
    """(B, n, d) to queries, keys or values, (B, heads, n, e)."""
    x = getattr(attention, f"to_{name}")(x)
    if name in "qk":
        x = getattr(attention, f"norm_{name}")(x)
    return x.unflatten(2, (attention.heads, -1)).transpose(1, 2)


def _merge(attention: WanAttention, x: Tensor) -> Tensor:
    return attention.to_out[1](attention.to_out[0](x.transpose(1, 2).flatten(2)))


def rotated(x: Tensor, rotary: tuple[Tensor, Tensor] | None) -> Tensor:
    """x (B, heads, N, e) turned by its positions, of which Wan's `rope` gives (1, N, 1, e) for pairs of neighbours."""
    assert rotary is not None, "Wan's tokens have rotary positions"
    cos, sin = (t.transpose(1, 2)[..., 0::2] for t in rotary)
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).type_as(x)
