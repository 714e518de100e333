"""The generator's transformer: CogVideoX with a third stream of tokens, what the scene remembers.

Letters: B batch, L text tokens, H history tokens, N video tokens, d width, t width of the text encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import CogVideoXTransformer3DModel, ModelMixin  # noqa: F401  DiffusionPipeline looks for ModelMixin here
from diffusers.configuration_utils import register_to_config
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from torch import Tensor, nn

from .blocks.attention import AttentionContext, HistoryStream, Rotary, Tokens, story_block
from .blocks.attention_windows import AttentionWindow, ClipWindows
from .blocks.block_cache import BlockCache, due_rows, reassembled
from .blocks.refinement import DetailStage
from .blocks.times import Times, norm_last, shared

OWN = (
    "self", "history_dim", "history_gate", "dual_channel", "detail_dim", "detail_blocks", "frame_timesteps",
    "attention_window",
)  # fmt: skip


class StoryTransformer3DModel(CogVideoXTransformer3DModel):
    """CogVideoXTransformer3DModel that also reads history tokens.

    Loads stock CogVideoX weights unchanged and, without history, gives the stock output: with a text mask or with
    history it runs `story_block` over the same modules. `history_gate` is the gate's value before training: 0 leaves
    pretrained weights as they are, 1 suits training from nothing.
    """

    run_block: Callable[..., Tokens] = staticmethod(story_block)  # a compiled one may take its place

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
        frame_timesteps: bool = False,  # whether it was trained with latent frames that are noisy to different degrees
        attention_window: Sequence[int] | None = None,  # l_t, l_x, l_y in video tokens (`AttentionWindow`); None: all
    ) -> None:
        stock = {k: v for k, v in locals().items() if k not in OWN and k[0] != "_"}
        super().__init__(**stock)
        self.attention_window = None if attention_window is None else AttentionWindow.of(attention_window)
        assert not (attention_window and detail_dim), "a detail stage looks at later latent frames"
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
        timestep: Tensor,  # (B), or (B, f): one for every latent frame
        timestep_cond: Tensor | None = None,
        ofs: Tensor | None = None,
        image_rotary_emb: Rotary = None,
        attention_kwargs: dict | None = None,
        return_dict: bool = True,
        *,
        history: Tensor | None = None,  # (B, H, history_dim)
        context: AttentionContext | None = None,  # its `rotary` is image_rotary_emb
        corners: Tensor | None = None,  # int (B, 2), row and column in patches, of latents that are part of a picture
        caches: Sequence[BlockCache] | None = None,  # one a row: blocks may be passed over
    ) -> Transformer2DModelOutput | tuple[Tensor]:
        """The model's prediction for the latents, (B, f, C, h, w); with nothing of our own, the stock forward."""
        assert context is None or context.rotary is None, (
            "positions are given as image_rotary_emb, as to the stock model"
        )
        context = replace(context or AttentionContext(), rotary=image_rotary_emb, windows=self._windows(hidden_states))
        timestep = shared(timestep)
        own = context.is_plain and history is None and corners is None and caches is None and timestep.ndim == 1
        if own and self._is_stock and self._stock_length(encoder_hidden_states):
            return super().forward(
                hidden_states,
                encoder_hidden_states,
                timestep,
                timestep_cond,
                ofs,
                image_rotary_emb,
                attention_kwargs,
                return_dict,
            )
        times = self._times(timestep, timestep_cond, ofs, hidden_states.dtype)
        text, video = self._embed(encoder_hidden_states, hidden_states, corners)
        past = self.history_proj(history) if history is not None else None
        tokens = Tokens(text, past, video)
        if caches is None:
            video = self._run(range(self.config.num_layers), tokens, times, context).video
        else:
            video = self._run_cached(caches, tokens, times, context)
        output = self._unpatch(self._final(video, times), hidden_states)
        if self.detail is not None:
            output = output + self.detail(hidden_states, video, times.by_frame)
        return Transformer2DModelOutput(sample=output) if return_dict else (output,)

    def _windows(self, video: Tensor) -> ClipWindows | None:
        """Of latents (B, f, C, h, w)."""
        if self.attention_window is None:
            return None
        frames, (height, width) = video.shape[1], video.shape[-2:]
        p, t = self.config.patch_size, self.config.patch_size_t or 1
        return ClipWindows(self.attention_window, ((frames + t - 1) // t, height // p, width // p))

    @property
    def _is_stock(self) -> bool:
        """Whether the model itself, whatever it is given, is the stock one."""
        return not self.config.dual_channel and self.detail is None

    def _run(self, layers: Sequence[int], tokens: Tokens, times: Times, context: AttentionContext) -> Tokens:
        """The tokens after some blocks."""
        streams = self.history_streams if tokens.history is not None or self.config.dual_channel else None
        for index in layers:
            stream = streams[index] if streams is not None else None
            args = (self.transformer_blocks[index], stream, tokens, times, context, index)
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                tokens = torch.utils.checkpoint.checkpoint(self.run_block, *args, use_reentrant=False)
            else:
                tokens = self.run_block(*args)
        return tokens

    def _run_cached(
        self, caches: Sequence[BlockCache], tokens: Tokens, times: Times, context: AttentionContext
    ) -> Tensor:
        """The video after all blocks, of which rows that hardly change pass over all but the first."""
        before = tokens.video
        tokens = self._run((0,), tokens, times, context)
        due, made = due_rows(caches, before, after := tokens.video), None
        if due:
            chosen = tokens.rows(due)
            made = self._run(range(1, self.config.num_layers), chosen, times.rows(due), context.rows(due)).video
        return reassembled(caches, due, before, after, made)

    def _stock_length(self, text: Tensor) -> bool:
        """Stock positions are laid out for texts of exactly max_text_seq_length tokens (rotary ones for any length)."""
        embedding = self.patch_embed
        laid_out = embedding.use_positional_embeddings or embedding.use_learned_positional_embeddings
        return not laid_out or text.shape[1] == self.config.max_text_seq_length

    def _times(self, timestep: Tensor, cond: Tensor | None, ofs: Tensor | None, dtype: torch.dtype) -> Times:
        """Of timesteps (B) or (B, f)."""
        if timestep.ndim == 2:
            frames = timestep[:, :: self.config.patch_size_t or 1]
            by_frame = self.time_embedding(self.time_proj(frames.flatten()).to(dtype)).unflatten(0, frames.shape)
            noisiest = by_frame[torch.arange(len(frames), device=frames.device), frames.argmax(1)]
            times = Times(noisiest, by_frame)
        else:
            times = Times(self.time_embedding(self.time_proj(timestep).to(dtype), cond))
        if self.ofs_embedding is None:
            return times
        added = self.ofs_embedding(self.ofs_proj(ofs).to(dtype))
        return Times(times.whole + added, None if times.frames is None else times.frames + added[:, None])

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

    def _final(self, video: Tensor, times: Times) -> Tensor:
        return self.proj_out(norm_last(self.norm_out, self.norm_final(video), times))

    def _unpatch(self, tokens: Tensor, like: Tensor) -> Tensor:
        """(B, N, patch values) to (B, f, C, h, w)."""
        b, f, _, h, w = like.shape
        p, t = self.config.patch_size, self.config.patch_size_t
        if t is None:
            x = tokens.reshape(b, f, h // p, w // p, -1, p, p)
            return x.permute(0, 1, 4, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4)
        x = tokens.reshape(b, (f + t - 1) // t, h // p, w // p, -1, t, p, p)
        return x.permute(0, 1, 5, 4, 2, 6, 3, 7).flatten(6, 7).flatten(4, 5).flatten(1, 2)
