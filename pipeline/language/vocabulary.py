"""The words that a model was trained on, and those of a prompt that are not among them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from .mentions import analyse
from .words import lemma_of, written_form

FILE = "vocabulary.txt"  # in a model folder, one word a line


def collect(texts: Iterable[str]) -> list[str]:
    """The words of all texts in their base forms, in alphabetical order."""
    words = {word for text in texts for word in re.findall(r"[^\W\d_]+", text)}
    return sorted({lemma_of(written_form(word)) for word in words})


def read(folder: Path) -> frozenset[str]:
    """The vocabulary of a model; empty if it has none, which means that nothing is known about its words."""
    path = folder / FILE
    return frozenset(path.read_text(encoding="utf-8").split()) if path.is_file() else frozenset()


def unfamiliar(prompt: str, vocabulary: frozenset[str]) -> list[str]:
    """The content words of a prompt that are not in the vocabulary, as they are written; names and numbers never are.
    Always empty for an empty vocabulary."""
    found = analyse(prompt)
    if not vocabulary:
        return []
    return [
        word.text
        for word, mention in zip(found.segments, found.mention_of, strict=True)
        if mention is not None and word.tag not in ("name", "number") and word.lemma not in vocabulary
    ]
