"""Text encoders of models that read a text's padding too."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from .latents import Where
from .text import TextEncoder, TextEncoding

CACHED_TEXTS = 64  # 3.7 MB each with T5 v1.1 XXL and 226 tokens


class PaddedTextEncoder(TextEncoder):
    """Every text is padded to `max_tokens`, and the padding is read like any other token: CogVideoX
    and Stable Diffusion were trained so."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, max_tokens: int, where: Where):
        super().__init__(model, tokenizer, max_tokens, CACHED_TEXTS)
        self.where = where

    @torch.no_grad()
    def _encode(self, text: str) -> TextEncoding:
        found = self._checked(text)
        ids, lacking = found["input_ids"], self.max_tokens - len(found["input_ids"])
        padded = ids + [self.tokenizer.pad_token_id] * lacking
        hidden = self.model(torch.tensor([padded], device=self.where()))[0]
        tokens = self.tokenizer.convert_ids_to_tokens(padded)
        offsets = tuple((start, end) for start, end in found["offset_mapping"]) + ((0, 0),) * lacking
        return TextEncoding(text, tuple(tokens), offsets, hidden[0].float().cpu().contiguous())
