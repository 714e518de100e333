"""LTX-2's text: every layer of Gemma, one row a token, and the connectors in which rows see one another.

Letters: B rows of a batch, L tokens of a text, M the most tokens of one, t width of a row, n layers of the encoder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from diffusers.pipelines.ltx2 import LTX2TextConnectors
from diffusers.pipelines.ltx2.connectors import per_layer_masked_mean_norm, per_token_rms_norm
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ...encoders.latents import Where
from ...encoders.text import TextEncoder, TextEncoding
from .prompts import MAX_TOKENS, clean

CACHED_TEXTS = 256  # 1.4 MB each with LTX-2.3 and 60 tokens


class LTX2TextEncoder(TextEncoder):
    """Its rows are what the connectors are given: of 2.0 one of the text, of 2.3 one for the picture and behind it one
    for the sound."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        connectors: LTX2TextConnectors,
        where: Where,
    ) -> None:
        super().__init__(model, tokenizer, MAX_TOKENS, CACHED_TEXTS)
        self.connectors, self.where = connectors, where

    def _tokenize(self, text: str):
        found, skipped = super()._tokenize(clean(text)), len(text) - len(text.lstrip())
        found["offset_mapping"] = [_own(text, start + skipped, end + skipped) for start, end in found["offset_mapping"]]
        return found

    @torch.no_grad()
    def _encode(self, text: str) -> TextEncoding:
        """Without the padding on the left of which the stock pipeline's encoder is told that it is none."""
        found = self._checked(text)
        ids = torch.tensor([found["input_ids"]], device=self.where())
        output = self.model(
            input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True, logits_to_keep=1
        )
        hidden = projected(self.connectors, torch.stack(output.hidden_states, dim=-1))[0]
        tokens = tuple(self.tokenizer.convert_ids_to_tokens(found["input_ids"]))
        return TextEncoding(text, tokens, tuple(found["offset_mapping"]), hidden.float().cpu().contiguous())


def _own(text: str, start: int, end: int) -> tuple[int, int]:
    """Of a token's characters those that are no white space around it; (0, 0) for none."""
    found = text[start:end]
    start += len(found) - len(found.lstrip())
    return (start, start + len(found.strip())) if found.strip() else (0, 0)


def projected(connectors: LTX2TextConnectors, layers: Tensor) -> Tensor:
    """What the connectors are given of every layer's outputs for a text, (1, L, t', n): (1, L, t)."""
    config = connectors.config
    if not config.per_modality_projections:
        lengths = torch.tensor([layers.shape[1]], device=layers.device)
        return connectors.text_proj_in(per_layer_masked_mean_norm(layers, lengths, layers.device))
    rows = per_token_rms_norm(layers).flatten(2)
    parts = (
        (connectors.video_text_proj_in, config.video_hidden_dim),
        (connectors.audio_text_proj_in, config.audio_hidden_dim),
    )
    return torch.cat([project(rows * math.sqrt(width / config.caption_channels)) for project, width in parts], dim=-1)


def connected(connectors: LTX2TextConnectors, texts: Sequence[Tensor], place: torch.device) -> tuple[Tensor, Tensor]:
    """Texts (L, t) as the picture and the sound are told of them, (B, M, ...) each: the words' own rows first, and
    behind them registers, which the transformer reads like any row."""
    config, dtype = connectors.config, connectors.dtype
    rows = torch.stack([F.pad(text, (0, 0, 0, MAX_TOKENS - len(text))) for text in texts]).to(place, dtype)
    lengths = torch.tensor([len(text) for text in texts], device=place)
    padding = torch.arange(MAX_TOKENS, device=place) >= lengths[:, None]
    mask = torch.zeros(rows.shape[:2], device=place, dtype=dtype).masked_fill(padding, torch.finfo(dtype).min)
    parts = (rows, rows)
    if config.per_modality_projections:
        parts = rows.split([config.video_hidden_dim, config.audio_hidden_dim], dim=-1)
    picture, sound = (
        connector(part, mask[:, None, None])[0]
        for connector, part in zip((connectors.video_connector, connectors.audio_connector), parts, strict=True)
    )
    return picture, sound
