"""How LTX-2's pipeline reads a prompt before its tokenizer does: without white space around it. Imports no torch."""

from __future__ import annotations

MAX_TOKENS = 1024  # what the connectors were trained with; in shorter texts registers stand behind the words


def clean(text: str) -> str:
    return text.strip()
