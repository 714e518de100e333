"""The attention of a block: text and video as in CogVideoX, a gated view of history, and what modulates them.

Letters: B batch, L text tokens, H history tokens, N video tokens, R reference patches, d width, e width of a head.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXBlock
from torch import Tensor, nn

from ..errors import ThroughlineError
from .attention_windows import ClipWindows
from .modulation import Modulation, attend_modulated
from .times import Times, norm_zero

Rotary: TypeAlias = tuple[Tensor, Tensor] | None
KeysValues: TypeAlias = tuple[Tensor, Tensor]  # of one block, each (1, heads, R, e)
Witness: TypeAlias = Callable[
    [Tensor, Tensor, Tensor], None
]  # told queries, keys, values of every block, (B, h, L+N, e)


class Tokens(NamedTuple):
    """The three streams of a block."""

    text: Tensor  # (B, L, d)
    history: Tensor | None  # (B, H, d)
    video: Tensor  # (B, N, d)

    def rows(self, rows: Sequence[int]) -> Tokens:
        """Those of some rows of the batch."""
        text, history, video = (None if x is None else x[list(rows)] for x in self)
        assert text is not None and video is not None
        return Tokens(text, history, video)


@dataclass(frozen=True)
class AttentionContext:
    """What the attention of every block is told beside the tokens. None stands for nothing of the kind.

    Whatever modulates attention goes down to all blocks in this one value.
    """

    rotary: Rotary = None  # positions of the video tokens
    text_mask: Tensor | None = None  # bool (B, L), True where there is a token
    history_mask: Tensor | None = None  # bool (B, H)
    references: Sequence[KeysValues] | None = None  # one a block: patches that video may look at, beside itself
    witness: Witness | None = None
    text_strengths: Tensor | None = None  # (B, L), ln of how much a token counts, where video looks at text alone
    modulation: Modulation | None = None  # of what video looks at, by regions
    windows: ClipWindows | None = None  # of what video looks at, near it and not later; neither goes with the other

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but positions, as in the stock model."""
        steering = (self.text_mask, self.history_mask, self.references, self.witness, self.text_strengths)
        return all(value is None for value in (*steering, self.modulation, self.windows))

    def rows(self, rows: Sequence[int]) -> AttentionContext:
        """The same for some rows of the batch; references and positions are shared by all rows."""
        chosen = list(rows)
        text, history, strengths = (
            None if m is None else m[chosen] for m in (self.text_mask, self.history_mask, self.text_strengths)
        )
        modulation = self.modulation and self.modulation.rows(chosen)
        return replace(self, text_mask=text, history_mask=history, text_strengths=strengths, modulation=modulation)

    def beside(self, index: int, own: KeysValues) -> KeysValues:
        """Keys and values of a block's video tokens, (B, heads, N, e) each, and behind them those of the references."""
        if self.references is None:
            return own
        keys, values = (
            torch.cat([x, other.expand(len(x), -1, -1, -1)], dim=2)
            for x, other in zip(own, self.references[index], strict=True)
        )
        return keys, values

    def joint_mask(self, length: int, total: int) -> Tensor | None:
        """Keys of text and video, bool (B, 1, 1, L + N). length: L; total: L + N."""
        if self.text_mask is None:
            return None
        return F.pad(self.text_mask, (0, total - length), value=True)[:, None, None]

    def own_mask(self, text: Tensor, history: Tensor) -> Tensor | None:
        """Keys of text and history, which history attends to, bool (B, 1, 1, L + H). text, history: (B, n, d)."""
        if self.text_mask is None and self.history_mask is None:
            return None
        texts, pasts = (
            tokens.new_ones(tokens.shape[:2], dtype=torch.bool) if mask is None else mask
            for tokens, mask in ((text, self.text_mask), (history, self.history_mask))
        )
        return torch.cat([texts, pasts], dim=1)[:, None, None]


def text_strengths(rows: Sequence[Tensor | None], length: int, place: torch.device) -> Tensor | None:
    """`AttentionContext.text_strengths` of rows whose tokens count so much, (L) each, None for as the model reads them:
    float32 (B, length); None if no row has any."""
    if all(row is None for row in rows):
        return None
    found = torch.zeros(len(rows), length, device=place)
    for i, row in enumerate(rows):
        if row is not None:
            found[i, : len(row)] = row.log().to(place)
    return found


class HistoryStream(nn.Module):
    """What one block needs for history tokens: their own adaptive norms, and the gate through which others see them.

    Text and video attend to history in a second softmax, whose result is added times `gate`. At gate 0, or without
    history, a block is the stock block: the history path is added, not mixed in.
    """

    def __init__(self, dim: int, time_embed_dim: int, heads: int, gate: float) -> None:
        super().__init__()
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(time_embed_dim, 6 * dim))
        self.norm1 = nn.LayerNorm(dim, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(dim, elementwise_affine=False)
        self.gate = nn.Parameter(torch.full((heads, 1, 1), gate))
        self.plus: Attention | None = None  # of the dual channel: a second attention beside the block's own
        self.alpha: nn.Parameter | None = None

    def open_dual_channel(self, base: Attention) -> None:
        """Gives the block a copy of its attention, `base`, to train while that stays as it is: x = α base +
        (1 - α) plus. Until one of them is trained the block is what it was, whatever α."""
        self.plus = copy.deepcopy(base).requires_grad_(True)
        self.alpha = nn.Parameter(base.to_q.weight.new_tensor(0.5))


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention, (B, heads, n, e). mask: bool, True where a key may be seen.

    While gradients are wanted on a CPU it is written out: the backward pass is three times faster than the fused one's.
    """
    if q.device.type == "cpu" and torch.is_grad_enabled() and q.requires_grad:
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e4)
        return scores.softmax(-1).to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def story_block(
    block: CogVideoXBlock,
    stream: HistoryStream | None,
    tokens: Tokens,
    times: Times,
    context: AttentionContext,
    index: int,  # of the block
) -> Tokens:
    """CogVideoXBlock.forward with masks, references and a third stream."""
    text, past, video = tokens
    length = text.shape[1]
    norm_video, norm_text, gate_video, gate_text = norm_zero(block.norm1, video, text, times)
    joint = torch.cat([norm_text, norm_video], dim=1)
    modulation = norm_past = None
    if past is not None and stream is not None:
        modulation = stream.modulation(times.whole)[:, None].chunk(6, dim=-1)
        norm_past = stream.norm1(past) * (1 + modulation[1]) + modulation[0]
    joint, attended = _mixed_attention(block.attn1, stream, (joint, length, norm_past), context, index)
    if past is not None and modulation is not None:
        past = past + modulation[2] * attended
    text, video = text + gate_text * joint[:, :length], video + gate_video * joint[:, length:]
    norm_video, norm_text, gate_video, gate_text = norm_zero(block.norm2, video, text, times)
    parts = [norm_text, norm_video]
    if past is not None and stream is not None and modulation is not None:
        parts.append(stream.norm2(past) * (1 + modulation[4]) + modulation[3])
    fed = block.ff(torch.cat(parts, dim=1))
    end = length + video.shape[1]
    text, video = text + gate_text * fed[:, :length], video + gate_video * fed[:, length:end]
    if past is not None and modulation is not None:
        past = past + modulation[5] * fed[:, end:]
    return Tokens(text, past, video)


_Normed: TypeAlias = tuple[Tensor, int, Tensor | None]  # text and video (B, L + N, d), L, and history (B, H, d)


def _mixed_attention(
    attention: Attention, stream: HistoryStream | None, normed: _Normed, context: AttentionContext, index: int
) -> tuple[Tensor, Tensor | None]:
    """`_joint_attention` of both channels, if there are two; a witness sees the base."""
    base, base_past = _joint_attention(attention, stream, normed, context, index)
    if stream is None or stream.plus is None or stream.alpha is None:
        return base, base_past
    plus, plus_past = _joint_attention(stream.plus, stream, normed, replace(context, witness=None), index)
    alpha = stream.alpha.to(base.dtype)
    mixed_past = None if base_past is None or plus_past is None else alpha * base_past + (1 - alpha) * plus_past
    return alpha * base + (1 - alpha) * plus, mixed_past


def _joint_attention(
    attention: Attention, stream: HistoryStream | None, normed: _Normed, context: AttentionContext, index: int
) -> tuple[Tensor, Tensor | None]:
    """Text and video attend to themselves as in CogVideoX, plus, gated, to history; history attends to itself and
    the text. Video, not text, also attends to reference patches, in the same softmax."""
    joint, length, past = normed
    q, k, v = _heads(attention, joint)
    if context.rotary is not None:
        q, k = (
            torch.cat([x[:, :, :length], apply_rotary_emb(x[:, :, length:], context.rotary)], dim=2) for x in (q, k)
        )
    keys = context.joint_mask(length, joint.shape[1])
    if context.witness is not None:
        context.witness(q, k, v)
    references = None if context.references is None else context.references[index]
    if context.windows is not None:
        attended = _attend_windows((q, k, v), length, context, index)
    elif references is None and context.modulation is None:
        attended = attend(q, k, v, keys)
    else:
        attended = _attend_apart((q, k, v), keys, length, references, context.modulation)
    if past is None or stream is None:
        return _merge(attention, attended), None
    past_q, past_k, past_v = _heads(attention, past)
    attended = attended + stream.gate.to(attended.dtype) * _remembered(q, past_k, past_v, length, context)
    mask = context.own_mask(joint[:, :length], past)
    own = attend(past_q, torch.cat([k[:, :, :length], past_k], 2), torch.cat([v[:, :, :length], past_v], 2), mask)
    return _merge(attention, attended), _merge(attention, own)


def _remembered(q: Tensor, past_k: Tensor, past_v: Tensor, length: int, context: AttentionContext) -> Tensor:
    """What text and video see of history; nothing in rows that have none. Text sees none of it where regions say which
    video token may see what."""
    mask = None if context.history_mask is None else context.history_mask[:, None, None]
    confined = None if context.modulation is None else context.modulation.history
    if confined is not None:
        seen = F.pad(confined[:, None], (0, 0, length, 0), value=False)
        mask = seen if mask is None else seen & mask
    if mask is None:
        return attend(q, past_k, past_v)
    return attend(q, past_k, past_v, mask) * mask.any(-1, keepdim=True)


def _attend_windows(qkv: tuple[Tensor, Tensor, Tensor], length: int, context: AttentionContext, index: int) -> Tensor:
    """By flex_attention on a GPU, elsewhere by the same mask."""
    assert context.windows is not None
    if context.references is not None or context.modulation is not None:
        raise ThroughlineError("attention_window is set: expected no reference patches and no regions beside it")
    if qkv[0].is_cuda:
        return context.windows.attend(qkv, length, index, context.text_mask, compiled=True)
    mask = context.windows.mask(length, index, context.text_mask, qkv[0].device)
    return attend(*qkv, mask)


def _attend_apart(
    qkv: tuple[Tensor, Tensor, Tensor],
    keys: Tensor | None,
    length: int,
    reference: KeysValues | None,
    modulation: Modulation | None,
) -> Tensor:
    """Queries of text see text and video. Queries of video also see the patches of `reference`, and are modulated."""
    q, k, v = qkv
    text = attend(q[:, :, :length], k, v, keys)
    if reference is not None:
        k, v = (
            torch.cat([own, other.expand(len(own), -1, -1, -1)], dim=2)
            for own, other in zip((k, v), reference, strict=True)
        )
        keys = None if keys is None else F.pad(keys, (0, reference[0].shape[2]), value=True)
    if modulation is None:
        return torch.cat([text, attend(q[:, :, length:], k, v, keys)], dim=2)
    video = attend_modulated(q[:, :, length:], k, v, (modulation.text, modulation.video), keys)
    return torch.cat([text, video], dim=2)


def _heads(attention: Attention, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(B, n, d) to normalised queries, normalised keys and values, (B, heads, n, e)."""
    q, k, v = (
        to(x).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for to in (attention.to_q, attention.to_k, attention.to_v)
    )
    if attention.norm_q is not None:
        q, k = attention.norm_q(q), attention.norm_k(k)
    return q, k, v


def _merge(attention: Attention, x: Tensor) -> Tensor:
    return attention.to_out[1](attention.to_out[0](x.transpose(1, 2).flatten(2)))
