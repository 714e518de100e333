"""Wan's text encoder: UMT5, with the place of each token in the user's own text."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ...encoders.latents import Where
from ...encoders.text import TextEncoder, TextEncoding
from .prompts import MAX_TOKENS, clean, spans_before

CACHED_TEXTS = 512  # 0.5 MB each with UMT5-XXL and 30 tokens


class WanTextEncoder(TextEncoder):
    """Every text goes through the model padded, and masked, as in the stock pipeline; only its own rows are kept, for
    what the transformer is given in place of padding is zeros."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, where: Where) -> None:
        super().__init__(model, tokenizer, MAX_TOKENS, CACHED_TEXTS)
        self.where = where

    def _tokenize(self, text: str):
        cleaned = clean(text)
        found = super()._tokenize(cleaned)
        found["offset_mapping"] = spans_before(text, cleaned, found["offset_mapping"])
        return found

    @torch.no_grad()
    def _encode(self, text: str) -> TextEncoding:
        found = self._checked(text)
        ids, lacking = found["input_ids"], self.max_tokens - len(found["input_ids"])
        padded = torch.tensor([ids + [self.tokenizer.pad_token_id] * lacking], device=self.where())
        mask = (torch.arange(self.max_tokens, device=self.where()) < len(ids)).long()[None]
        hidden = self.model(padded, mask).last_hidden_state[0, : len(ids)]
        tokens = tuple(self.tokenizer.convert_ids_to_tokens(ids))
        return TextEncoding(text, tokens, tuple(map(tuple, found["offset_mapping"])), hidden.float().cpu().contiguous())
