"""What video looks at in the spatial attention of a U-Net with temporal layers.

Every spatial block has a self-attention, in which the tokens of a frame also see the patches of references, and a
cross-attention to the text, and apart from it to pictures (`ip_adapter`). Temporal layers are left alone.

Letters: B rows, f frames, n tokens of a frame in a block, L text tokens, R reference patches, e width of a head,
N = f h w tokens of the clip at the grid that references and modulation are given at, r pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import UNetMotionModel
from diffusers.image_processor import IPAdapterMaskProcessor
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor

from ...blocks.attention import AttentionContext, KeysValues
from ...blocks.grids import at_grid, sides
from ...blocks.modulation import attend_modulated
from ..base import ImagePrompts
from .ip_adapter import IPAdapter, cross_attentions


@dataclass
class Pass:
    """One pass through the network: what its attention is told, and what the last self-attention offered."""

    context: AttentionContext
    frames: int  # f
    grid: tuple[int, int]  # h, w
    own: KeysValues | None = None  # (B f, heads, n, e)
    prompts: ImagePrompts | None = None  # of all rows, (B, r, ...)


def install(unet: UNetMotionModel, adapter: IPAdapter | None = None) -> int:
    """Makes the spatial blocks listen to a `Pass`, and gives their number. Without one they are what they were."""
    layers = {unet.get_submodule(name.removesuffix(".processor")): i for i, name in enumerate(cross_attentions(unet))}
    parts = (*unet.down_blocks, unet.mid_block, *unet.up_blocks)  # in the order in which they are asked
    spatial = [transformer for part in parts for transformer in getattr(part, "attentions", ())]
    blocks = [block for transformer in spatial for block in transformer.transformer_blocks]
    for index, block in enumerate(blocks):
        block.attn1.set_processor(SelfProcessor(index))
        block.attn2.set_processor(CrossProcessor(adapter, layers[block.attn2]))
    return len(blocks)


class SelfProcessor:
    """index: of the block, for its references."""

    def __init__(self, index: int) -> None:
        self.index, self.stock = index, AttnProcessor2_0()

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        told: Pass | None = None,
    ) -> Tensor:
        if told is None:
            return self.stock(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        q, k, v = (_heads(attn, name, hidden_states) for name in "qkv")
        told.own, context = (k, v), told.context
        keys, values = context.beside(self.index, told.own)
        if context.modulation is None:
            return _merge(attn, F.scaled_dot_product_attention(q, keys, values))
        amount = _of_frames(context.modulation.video, told.frames)
        amount = _queries(amount, told.grid, q.shape[2])
        amount = _queries(amount.transpose(1, 2), told.grid, q.shape[2]).transpose(1, 2)
        return _merge(attn, attend_modulated(q, keys, values, (amount,)))


class CrossProcessor:
    """Of the attention to the text, and to pictures. layer: of the adapter."""

    def __init__(self, adapter: IPAdapter | None, layer: int) -> None:
        self.adapter, self.layer, self.stock = adapter, layer, AttnProcessor2_0()

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        told: Pass | None = None,
    ) -> Tensor:
        if told is None:
            return self.stock(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        assert encoder_hidden_states is not None, "the text is what it attends to"
        q, context = _heads(attn, "q", hidden_states), told.context
        k, v = (_heads(attn, name, encoder_hidden_states) for name in "kv")
        if context.witness is not None:
            _tell(told, q, (k, v))
        attended = _to_text(q, (k, v), told)
        return _merge(attn, attended if told.prompts is None else attended + self._to_pictures(q, told, told.prompts))

    def _to_pictures(self, q: Tensor, told: Pass, prompts: ImagePrompts) -> Tensor:
        """What every picture says where it may, (B f, heads, n, e), as diffusers' own processor adds it."""
        assert self.adapter is not None, "only a model with an adapter is given pictures"
        found, (_, heads, n, e) = torch.zeros_like(q), q.shape
        for tokens, masks in zip(prompts.tokens.unbind(1), prompts.masks.unbind(1), strict=True):
            k, v = (
                x.unflatten(-1, (heads, e)).transpose(1, 2).repeat_interleave(told.frames, 0)
                for x in self.adapter.keys_and_values(self.layer, tokens.to(q.dtype))
            )
            mask = IPAdapterMaskProcessor.downsample(masks, len(masks), n, 1).to(q.dtype)
            mask = mask.repeat_interleave(told.frames, 0)[:, None]
            found = found + F.scaled_dot_product_attention(q, k, v) * mask
        return found


def _to_text(q: Tensor, text: KeysValues, told: Pass) -> Tensor:
    modulation, strengths = told.context.modulation, told.context.text_strengths
    if modulation is not None:
        amount = modulation.text.unflatten(1, (told.frames, -1)).flatten(0, 1)
        return attend_modulated(q, *text, (_queries(amount, told.grid, q.shape[2]),))
    bias = None if strengths is None else strengths.repeat_interleave(told.frames, 0)[:, None, None].to(q.dtype)
    return F.scaled_dot_product_attention(q, *text, attn_mask=bias)


def _tell(told: Pass, q: Tensor, text: KeysValues) -> None:
    """The witness is told what a clip looks at the text with, and behind the keys and values of the text those of its
    tokens: as where both are in one attention."""
    assert told.context.witness is not None and told.own is not None
    keys, values = (
        torch.cat([x[:: told.frames], _as_clip(y, told.frames)], dim=2) for x, y in zip(text, told.own, strict=True)
    )
    told.context.witness(F.pad(_as_clip(q, told.frames), (0, 0, text[0].shape[2], 0)), keys, values)


def _as_clip(x: Tensor, frames: int) -> Tensor:
    """(B f, heads, n, e) to (B, heads, f n, e)."""
    return x.unflatten(0, (-1, frames)).transpose(1, 2).flatten(2, 3)


def _of_frames(x: Tensor, frames: int) -> Tensor:
    """(B, N, N) to the pairs of tokens of one frame, (B f, h w, h w)."""
    pairs = x.unflatten(2, (frames, -1)).unflatten(1, (frames, -1))
    return pairs.diagonal(dim1=1, dim2=3).movedim(-1, 1).flatten(0, 1)


def _queries(x: Tensor, grid: tuple[int, int], n: int) -> Tensor:
    """(B f, h w, K) to (B f, n, K)."""
    flat = x.transpose(1, 2).flatten(0, 1)
    return at_grid(flat, grid, sides(n, grid)).unflatten(0, (len(x), -1)).transpose(1, 2)


def _heads(attn: Attention, name: str, x: Tensor) -> Tensor:
    """(B f, n, d) to queries, keys or values, (B f, heads, n, e)."""
    return getattr(attn, f"to_{name}")(x).unflatten(-1, (attn.heads, -1)).transpose(1, 2)


def _merge(attn: Attention, x: Tensor) -> Tensor:
    return attn.to_out[1](attn.to_out[0](x.transpose(1, 2).flatten(2)))
