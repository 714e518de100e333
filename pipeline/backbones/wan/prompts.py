"""How Wan's pipelines read a prompt before its tokenizer does. Imports no torch.

Does not cover: what ftfy mends, which diffusers asks where it happens to be installed.
"""

from __future__ import annotations

import html
import re
from difflib import SequenceMatcher

MAX_TOKENS = 512  # what the transformers were trained with; shorter texts are padded to it

Span = tuple[int, int]


def clean(text: str) -> str:
    """HTML's entities are characters, white space is one space (diffusers' `prompt_clean`)."""
    return re.sub(r"\s+", " ", html.unescape(html.unescape(text))).strip()


def spans_before(text: str, cleaned: str, spans: list[Span]) -> list[Span]:
    """Where spans of characters of the cleaned text are in the text itself."""
    if text == cleaned:
        return spans
    starts, ends = list[int](), list[int]()
    for kind, i, j, first, last in SequenceMatcher(None, text, cleaned, autojunk=False).get_opcodes():
        for k in range(last - first):
            starts.append(i + k if kind == "equal" else i)
            ends.append(i + k + 1 if kind == "equal" else j)
    return [(starts[start], ends[end - 1]) if end > start else (0, 0) for start, end in spans]
