"""How LTX-Video's pipeline reads a prompt before its tokenizer does: as it is. Imports no torch."""

from __future__ import annotations

MAX_TOKENS = 128  # what the transformer was trained with; shorter texts are padded to it


def clean(text: str) -> str:
    return text
