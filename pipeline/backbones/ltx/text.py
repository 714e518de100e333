"""LTX-Video's text encoder: T5, which reads the padding that its transformer is not shown."""

from __future__ import annotations

from dataclasses import replace

from ...encoders.padded_text import PaddedTextEncoder
from ...encoders.text import TextEncoding


class LTXTextEncoder(PaddedTextEncoder):
    """Every text goes through the model padded and not masked, as in the stock pipeline; only its own rows are kept."""

    def _encode(self, text: str) -> TextEncoding:
        found, count = super()._encode(text), self.count_tokens(text)
        own = slice(count)
        return replace(found, tokens=found.tokens[own], offsets=found.offsets[own], hidden=found.hidden[own].clone())
