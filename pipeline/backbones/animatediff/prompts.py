"""How long a prompt may be, before a model is loaded. Imports no torch."""

from __future__ import annotations

MAX_TOKENS = 77  # CLIP's, start and end included; shorter texts are padded to it


def clean(text: str) -> str:
    """The tokenizer itself does whatever is done to a text."""
    return text
