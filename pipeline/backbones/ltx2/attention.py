"""What the picture looks at in LTX-2's blocks: itself and, in the same softmax, the patches of references; the text.

The blocks are diffusers' own, with their gates and whatever else they are built with; only the two attentions in which
the picture asks are other ones, and these only while `listening`. Sound's are left alone.

Letters: B rows, N video tokens, M rows of a text, L words' own rows of them, d width, e width of a head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import LTX2VideoTransformer3DModel
from diffusers.models.transformers.transformer_ltx2 import (
    LTX2Attention,
    apply_interleaved_rotary_emb,
    apply_split_rotary_emb,
)
from torch import Tensor

from ...blocks.attention import AttentionContext, KeysValues, Rotary
from ...blocks.modulation import attend_modulated

ROTATIONS = {"interleaved": apply_interleaved_rotary_emb, "split": apply_split_rotary_emb}


@dataclass
class Pass:
    """One pass through the network. words: L, of the longest text. own: what the last self-attention offered."""

    context: AttentionContext
    words: int
    own: KeysValues | None = None  # (B, heads, N, e)


_told: ContextVar[Pass | None] = ContextVar("_told", default=None)


@contextmanager
def listening(context: AttentionContext, words: int) -> Iterator[None]:
    """Meanwhile the networks of this thread are told of the context; of a plain one they need not be."""
    token = _told.set(None if context.is_plain else Pass(context, words))
    try:
        yield
    finally:
        _told.reset(token)


def install(transformer: LTX2VideoTransformer3DModel) -> None:
    """Makes the blocks listen; unless they are told something they are what they were."""
    for index, block in enumerate(transformer.transformer_blocks):
        for attention, kind in ((block.attn1, SelfProcessor), (block.attn2, CrossProcessor)):
            stock = attention.processor
            attention.set_processor(kind(getattr(stock, "stock", stock), index))


class _Processor(ABC):
    """stock: the one in whose place it is. index: of the block."""

    def __init__(self, stock: Any, index: int) -> None:
        self.stock, self.index = stock, index

    def __call__(
        self,
        attn: LTX2Attention,
        hidden_states: Tensor,  # (B, N, d)
        encoder_hidden_states: Tensor | None = None,  # (B, M, d)
        attention_mask: Tensor | None = None,
        query_rotary_emb: Rotary = None,
        key_rotary_emb: Rotary = None,
        perturbation_mask: Tensor | None = None,  # these two of guidance that is not used here
        all_perturbed: bool | None = None,
    ) -> Tensor:
        told = _told.get()
        if told is None:
            given = (hidden_states, encoder_hidden_states, attention_mask, query_rotary_emb, key_rotary_emb)
            return self.stock(attn, *given)  # type: ignore[no-any-return]
        asks = _heads(attn, "q", hidden_states, query_rotary_emb)
        seen = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        k, v = _heads(attn, "k", seen, query_rotary_emb), _heads(attn, "v", seen)
        return _merged(attn, self.attend(told, asks, (k, v)), hidden_states)

    @abstractmethod
    def attend(self, told: Pass, q: Tensor, seen: KeysValues) -> Tensor:
        """(B, heads, N, e)."""


class SelfProcessor(_Processor):
    def attend(self, told: Pass, q: Tensor, seen: KeysValues) -> Tensor:
        told.own, modulation = seen, told.context.modulation
        keys, values = told.context.beside(self.index, seen)
        if modulation is None:
            return F.scaled_dot_product_attention(q, keys, values)
        return attend_modulated(q, keys, values, (modulation.video,))


class CrossProcessor(_Processor):
    def attend(self, told: Pass, q: Tensor, seen: KeysValues) -> Tensor:
        """The witness is told of the words' own rows, not of the registers behind them."""
        context, own = told.context, told.own
        assert own is not None, "self-attention comes first"
        if context.witness is not None:
            keys, values = (torch.cat([x[:, :, : told.words], y], dim=2) for x, y in zip(seen, own, strict=True))
            context.witness(F.pad(q, (0, 0, told.words, 0)), keys, values)
        if context.modulation is None:
            return F.scaled_dot_product_attention(q, *seen)
        return attend_modulated(q, *seen, (context.modulation.text,))


def _heads(attention: LTX2Attention, name: str, x: Tensor, rotary: Rotary = None) -> Tensor:
    """(B, n, d) to queries, keys or values, (B, heads, n, e)."""
    x = getattr(attention, f"to_{name}")(x)
    if name in "qk":
        x = getattr(attention, f"norm_{name}")(x)
    x = x if rotary is None else ROTATIONS[attention.rope_type](x, rotary)
    return x.unflatten(2, (attention.heads, -1)).transpose(1, 2)


def _merged(attention: LTX2Attention, attended: Tensor, asking: Tensor) -> Tensor:
    """attended: (B, heads, N, e). asking: what the queries were made of, (B, N, d), by which some models gate heads."""
    if attention.to_gate_logits is not None:
        gates = 2 * attention.to_gate_logits(asking).sigmoid()
        attended = attended * gates.transpose(1, 2)[..., None]
    return attention.to_out[1](attention.to_out[0](attended.transpose(1, 2).flatten(2)))
