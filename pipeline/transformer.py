"""The generator's transformer: CogVideoX with a third stream of tokens, what the scene remembers.

Letters: B batch, L text tokens, H history tokens, N video tokens, d width, t width of the text encoder.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import CogVideoXTransformer3DModel, ModelMixin  # noqa: F401  DiffusionPipeline looks for ModelMixin here
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXBlock
from torch import Tensor, nn

from .blocks.block_cache import BlockCache, due_rows, reassembled
from .blocks.refinement import DetailStage

Rotary = tuple[Tensor, Tensor] | None
KeysValues = tuple[Tensor, Tensor]  # of one block, each (1, heads, R, e): the reference patches that video may look at
Tokens = tuple[Tensor, Tensor | None, Tensor]  # text, history and video
Witness = Callable[[Tensor, Tensor, Tensor], None]  # told queries, keys and values of every block, (B, heads, L + N, e)


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


class StoryTransformer3DModel(CogVideoXTransformer3DModel):
    """CogVideoXTransformer3DModel that also reads history tokens.

    Loads stock CogVideoX weights unchanged and, without history, gives the stock output: with a text mask or with
    history it runs `_story_block` over the same modules. `history_gate` is the gate's value before training: 0 leaves
    pretrained weights as they are, 1 suits training from nothing.
    """

    @register_to_config
    def __init__(
        self,
        num_attention_heads: int = 30,
        attention_head_dim: int = 64,
        in_channels: int = 16,
        out_channels: int | None = 16,
        flip_sin_to_cos: bool = True,
        freq_shift: int = 0,
        time_embed_dim: int = 512,
        ofs_embed_dim: int | None = None,
        text_embed_dim: int = 4096,
        num_layers: int = 30,
        dropout: float = 0.0,
        attention_bias: bool = True,
        sample_width: int = 90,
        sample_height: int = 60,
        sample_frames: int = 49,
        patch_size: int = 2,
        patch_size_t: int | None = None,
        temporal_compression_ratio: int = 4,
        max_text_seq_length: int = 226,
        activation_fn: str = "gelu-approximate",
        timestep_activation_fn: str = "silu",
        norm_elementwise_affine: bool = True,
        norm_eps: float = 1e-5,
        spatial_interpolation_scale: float = 1.875,
        temporal_interpolation_scale: float = 1.0,
        use_rotary_positional_embeddings: bool = False,
        use_learned_positional_embeddings: bool = False,
        patch_bias: bool = True,
        history_dim: int = 192,  # 0 for a model without history tokens, such as a stock checkpoint
        history_gate: float = 0.0,
        dual_channel: bool = False,
        detail_dim: int = 0,  # width of a `DetailStage`; 0 for none, as in stock checkpoints
        detail_blocks: int = 3,
    ) -> None:
        own = ("self", "history_dim", "history_gate", "dual_channel", "detail_dim", "detail_blocks")
        stock = {k: v for k, v in locals().items() if k not in (*own, "own") and k[0] != "_"}
        super().__init__(**stock)
        if history_dim:
            self.open_history(history_dim, history_gate)
        if dual_channel:
            self.open_dual_channel()
        self.detail: DetailStage | None = None
        if detail_dim:
            assert patch_size_t is None, "a detail stage takes patches of one latent frame"
            width = num_attention_heads * attention_head_dim
            self.detail = DetailStage(detail_dim, detail_blocks, in_channels, width, patch_size, time_embed_dim)

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options):  # type: ignore[override]
        """As diffusers does it. The history path that a checkpoint lacks begins as `open_history` leaves it."""
        wanted = options.pop("output_loading_info", False)
        model, info = super().from_pretrained(folder, output_loading_info=True, **options)
        lacking = [name for name in info["missing_keys"] if name.startswith("history_")]
        if lacking:
            like, config = model.proj_out.weight, model.config
            with torch.device("cpu"):
                model.open_history(config.history_dim, config.history_gate)
            for part in (model.history_proj, model.history_streams):
                part.to(like.device, like.dtype).eval()
            if config.dual_channel:
                model.open_dual_channel()
        return (model, info) if wanted else model

    def open_history(self, history_dim: int, gate: float = 0.0) -> None:
        """Gives a model without history tokens their path, untrained; behind gates at 0 nothing changes."""
        config = self.config
        heads, dim = config.num_attention_heads, config.num_attention_heads * config.attention_head_dim
        self.history_proj = nn.Linear(history_dim, dim)
        self.history_streams = nn.ModuleList(
            HistoryStream(dim, config.time_embed_dim, heads, gate) for _ in range(config.num_layers)
        )
        self.register_to_config(history_dim=history_dim, history_gate=gate)

    def open_dual_channel(self) -> None:
        """A second attention beside every block's own (`HistoryStream.open_dual_channel`)."""
        for block, stream in zip(self.transformer_blocks, self.history_streams, strict=True):
            stream.open_dual_channel(block.attn1)  # type: ignore[operator]
        self.register_to_config(dual_channel=True)

    def forward(
        self,
        hidden_states: Tensor,  # (B, f, C, h, w), noisy latents
        encoder_hidden_states: Tensor,  # (B, L, t)
        timestep: Tensor,  # (B)
        timestep_cond: Tensor | None = None,
        ofs: Tensor | None = None,
        image_rotary_emb: Rotary = None,
        attention_kwargs: dict | None = None,
        return_dict: bool = True,
        *,
        text_mask: Tensor | None = None,  # bool (B, L), True where there is a token
        history: Tensor | None = None,  # (B, H, history_dim)
        history_mask: Tensor | None = None,  # bool (B, H)
        references: Sequence[KeysValues] | None = None,  # one a block (`pipeline.reference.attention`)
        witness: Witness | None = None,
        corners: Tensor | None = None,  # int (B, 2), row and column in patches, of latents that are part of a picture
        caches: Sequence[BlockCache] | None = None,  # one a row: blocks may be passed over
    ) -> Transformer2DModelOutput | tuple[Tensor]:
        """The model's prediction for the latents, (B, f, C, h, w); without history and text_mask, the stock forward."""
        own = (history, text_mask, references, witness, corners, caches)
        plain = all(value is None for value in own) and not self.config.dual_channel and self.detail is None
        if plain and self._stock_length(encoder_hidden_states):
            return super().forward(hidden_states, encoder_hidden_states, timestep, timestep_cond, ofs, image_rotary_emb,
                                   attention_kwargs, return_dict)  # fmt: skip
        time = self._time_embedding(timestep, timestep_cond, ofs, hidden_states.dtype)
        text, video = self._embed(encoder_hidden_states, hidden_states, corners)
        past = self.history_proj(history) if history is not None else None
        nothing = [None] * len(self.transformer_blocks)
        streams = self.history_streams if past is not None or self.config.dual_channel else nothing
        blocks = list(zip(self.transformer_blocks, streams, references or nothing, strict=True))
        masks = (text_mask, history_mask)
        if caches is None:
            video = self._run(blocks, (text, past, video), time, image_rotary_emb, masks, witness)[2]
        else:
            video = self._run_cached(caches, blocks, (text, past, video), time, image_rotary_emb, masks, witness)
        output = self._unpatch(self._final(text, video, time), hidden_states)
        if self.detail is not None:
            output = output + self.detail(hidden_states, video, time)
        return Transformer2DModelOutput(sample=output) if return_dict else (output,)

    def _run(
        self, blocks: Sequence[tuple], tokens: Tokens, time: Tensor, rotary: Rotary, masks: Sequence[Tensor | None],
        witness: Witness | None,
    ) -> Tokens:  # fmt: skip
        """Text, history and video after some blocks."""
        for block, stream, reference in blocks:
            args: tuple[Any, ...] = (block, stream, *tokens, time, rotary, *masks, reference, witness)
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                tokens = torch.utils.checkpoint.checkpoint(_story_block, *args, use_reentrant=False)
            else:
                tokens = _story_block(*args)
        return tokens

    def _run_cached(
        self, caches: Sequence[BlockCache], blocks: Sequence[tuple], tokens: Tokens, time: Tensor, rotary: Rotary,
        masks: Sequence[Tensor | None], witness: Witness | None,
    ) -> Tensor:  # fmt: skip
        """The video after all blocks, of which rows that hardly change pass over all but the first."""
        before = tokens[2]
        tokens = self._run(blocks[:1], tokens, time, rotary, masks, witness)
        due, made = due_rows(caches, before, after := tokens[2]), None
        if due:
            text, past, video, masks = (
                tokens[0][due],
                _rows(tokens[1], due),
                after[due],
                [_rows(m, due) for m in masks],
            )
            made = self._run(blocks[1:], (text, past, video), time[due], rotary, masks, witness)[2]
        return reassembled(caches, due, before, after, made)

    def _stock_length(self, text: Tensor) -> bool:
        """Stock positions are laid out for texts of exactly max_text_seq_length tokens (rotary ones for any length)."""
        return not self.patch_embed.use_positional_embeddings or text.shape[1] == self.config.max_text_seq_length

    def _time_embedding(self, timestep: Tensor, cond: Tensor | None, ofs: Tensor | None, dtype: torch.dtype) -> Tensor:
        time = self.time_embedding(self.time_proj(timestep).to(dtype), cond)
        if self.ofs_embedding is not None:
            time = time + self.ofs_embedding(self.ofs_proj(ofs).to(dtype))
        return time

    def _embed(self, text: Tensor, video: Tensor, corners: Tensor | None) -> tuple[Tensor, Tensor]:
        """Text padded to the stock length goes through the stock embedding, and the padding is cut off again."""
        length, full = text.shape[1], self.config.max_text_seq_length
        assert length <= full, f"the text has {length} tokens, the model takes {full}"
        if corners is not None:
            return self.patch_embed.text_proj(text), self._embed_part(video, corners)
        joint = self.embedding_dropout(self.patch_embed(F.pad(text, (0, 0, 0, full - length)), video))
        return joint[:, :length], joint[:, full:]

    def _embed_part(self, video: Tensor, corners: Tensor) -> Tensor:
        """Tokens of latents (B, f, C, h, w), with the positions that they have in the whole picture."""
        config, (b, f, _, h, w) = self.config, video.shape
        p, table = config.patch_size, self.patch_embed.pos_embedding[0, config.max_text_seq_length :]
        grid = table.unflatten(0, (-1, config.sample_height // p, config.sample_width // p))[:f]
        rows, columns = (
            first[:, None] + torch.arange(n // p, device=video.device)
            for first, n in zip(corners.unbind(1), (h, w), strict=True)
        )
        positions = grid[:, rows[:, :, None], columns[:, None, :]].movedim(0, 1)  # (B, f, h / p, w / p, d)
        tokens = self.patch_embed.proj(video.flatten(0, 1)).unflatten(0, (b, f)).movedim(2, -1)
        return (tokens + positions.to(tokens.dtype)).flatten(1, 3)

    def _final(self, text: Tensor, video: Tensor, time: Tensor) -> Tensor:
        return self.proj_out(self.norm_out(self.norm_final(video), temb=time))

    def _unpatch(self, tokens: Tensor, like: Tensor) -> Tensor:
        """(B, N, patch values) to (B, f, C, h, w)."""
        b, f, _, h, w = like.shape
        p, t = self.config.patch_size, self.config.patch_size_t
        if t is None:
            x = tokens.reshape(b, f, h // p, w // p, -1, p, p)
            return x.permute(0, 1, 4, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4)
        x = tokens.reshape(b, (f + t - 1) // t, h // p, w // p, -1, t, p, p)
        return x.permute(0, 1, 5, 4, 2, 6, 3, 7).flatten(6, 7).flatten(4, 5).flatten(1, 2)


def _rows(value: Tensor | None, rows: list[int]) -> Tensor | None:
    return None if value is None else value[rows]


def _story_block(
    block: CogVideoXBlock, stream: HistoryStream | None, text: Tensor, past: Tensor | None, video: Tensor, time: Tensor,
    rotary: Rotary, text_mask: Tensor | None, past_mask: Tensor | None, reference: KeysValues | None = None,
    witness: Witness | None = None,
) -> tuple[Tensor, Tensor | None, Tensor]:  # fmt: skip
    """CogVideoXBlock.forward with masks and a third stream."""
    length = text.shape[1]
    norm_video, norm_text, gate_video, gate_text = block.norm1(video, text, time)
    joint = torch.cat([norm_text, norm_video], dim=1)
    if past is not None and stream is not None:
        modulation = stream.modulation(time)[:, None].chunk(6, dim=-1)
        norm_past = stream.norm1(past) * (1 + modulation[1]) + modulation[0]
        joint, past_attended = _mixed_attention(
            block.attn1, stream, joint, length, norm_past, rotary, text_mask, past_mask, reference, witness
        )
        past = past + modulation[2] * past_attended
    else:
        joint, _ = _mixed_attention(
            block.attn1, stream, joint, length, None, rotary, text_mask, None, reference, witness
        )
    text, video = text + gate_text * joint[:, :length], video + gate_video * joint[:, length:]
    norm_video, norm_text, gate_video, gate_text = block.norm2(video, text, time)
    parts = [norm_text, norm_video]
    if past is not None and stream is not None:
        parts.append(stream.norm2(past) * (1 + modulation[4]) + modulation[3])
    fed = block.ff(torch.cat(parts, dim=1))
    end = length + video.shape[1]
    text, video = text + gate_text * fed[:, :length], video + gate_video * fed[:, length:end]
    return text, None if past is None else past + modulation[5] * fed[:, end:], video


def _mixed_attention(
    attention: Attention, stream: HistoryStream | None, joint: Tensor, length: int, past: Tensor | None,
    rotary: Rotary, text_mask: Tensor | None, past_mask: Tensor | None, reference: KeysValues | None,
    witness: Witness | None,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """`_joint_attention` of both channels, if there are two; a witness sees the base."""
    others = (stream, joint, length, past, rotary, text_mask, past_mask, reference)
    base, base_past = _joint_attention(attention, *others, witness)
    if stream is None or stream.plus is None or stream.alpha is None:
        return base, base_past
    plus, plus_past = _joint_attention(stream.plus, *others, None)
    alpha = stream.alpha.to(base.dtype)
    mixed_past = None if base_past is None or plus_past is None else alpha * base_past + (1 - alpha) * plus_past
    return alpha * base + (1 - alpha) * plus, mixed_past


def _joint_attention(
    attention: Attention, stream: HistoryStream | None, joint: Tensor, length: int, past: Tensor | None,
    rotary: Rotary, text_mask: Tensor | None, past_mask: Tensor | None, reference: KeysValues | None,
    witness: Witness | None,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Text and video attend to themselves as in CogVideoX, plus, gated, to history; history attends to itself and
    the text. Video, not text, also attends to reference patches, in the same softmax."""
    q, k, v = _heads(attention, joint)
    if rotary is not None:
        q = torch.cat([q[:, :, :length], apply_rotary_emb(q[:, :, length:], rotary)], dim=2)
        k = torch.cat([k[:, :, :length], apply_rotary_emb(k[:, :, length:], rotary)], dim=2)
    keys = None if text_mask is None else F.pad(text_mask, (0, joint.shape[1] - length), value=True)[:, None, None]
    if witness is not None:
        witness(q, k, v)
    if reference is None:
        attended = attend(q, k, v, keys)
    else:
        attended = _attend_with(reference, q, k, v, keys, length)
    if past is None or stream is None:
        return _merge(attention, attended), None
    past_q, past_k, past_v = _heads(attention, past)
    seen = None if past_mask is None else past_mask[:, None, None]
    remembered = attend(q, past_k, past_v, seen)
    if past_mask is not None:
        remembered = remembered * past_mask.any(1)[:, None, None, None]
    attended = attended + stream.gate.to(attended.dtype) * remembered
    own_mask = None
    if text_mask is not None or past_mask is not None:
        texts = text_mask if text_mask is not None else joint.new_ones(joint.shape[0], length, dtype=torch.bool)
        pasts = past_mask if past_mask is not None else joint.new_ones(past.shape[:2], dtype=torch.bool)
        own_mask = torch.cat([texts, pasts], dim=1)[:, None, None]
    own = attend(past_q, torch.cat([k[:, :, :length], past_k], 2), torch.cat([v[:, :, :length], past_v], 2), own_mask)
    return _merge(attention, attended), _merge(attention, own)


def _attend_with(reference: KeysValues, q: Tensor, k: Tensor, v: Tensor, keys: Tensor | None, length: int) -> Tensor:
    """Queries of text see text and video; queries of video also see the patches of `reference`."""
    text = attend(q[:, :, :length], k, v, keys)
    k, v = (
        torch.cat([own, other.expand(len(own), -1, -1, -1)], dim=2)
        for own, other in zip((k, v), reference, strict=True)
    )
    if keys is not None:
        keys = F.pad(keys, (0, reference[0].shape[2]), value=True)
    return torch.cat([text, attend(q[:, :, length:], k, v, keys)], dim=2)


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
