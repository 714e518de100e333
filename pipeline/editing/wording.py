"""The words of an edit: the prompt as it becomes, where the words of each region stand in it, and their encodings.

Words of a region are encoded alone, so that nothing of what is said of one leaks into another (Yang et al. 2025).

Letters: L tokens, t width of the text encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..encoders.text import TextEncoder, TextEncoding

Span = tuple[int, int]  # characters


@dataclass(frozen=True)
class Rewritten:
    """A prompt, and the words of each region in it; None for a region that has none."""

    text: str
    spans: tuple[Span | None, ...]


def rewrite(prompt: str, places: Sequence[Span | None], words: Sequence[str]) -> Rewritten:
    """`prompt` with new words at the places of old ones, which do not overlap; what has no place comes at the end."""
    text, done = "", 0
    spans: list[Span | None] = [None] * len(words)
    for start, end, index in sorted(_placed(places)):
        text += prompt[done:start]
        spans[index] = (len(text), len(text) + len(words[index]))
        text, done = text + words[index], end
    text += prompt[done:]
    for index, (place, added) in enumerate(zip(places, words, strict=True)):
        if place is None and added:
            stem = text.rstrip(" .")
            spans[index] = (len(stem) + 2, len(stem) + 2 + len(added))
            text = f"{stem}, {added}."
    return Rewritten(text, tuple(spans))


def _placed(places: Sequence[Span | None]) -> list[tuple[int, int, int]]:
    return [(*place, index) for index, place in enumerate(places) if place is not None]


def tokens_of(encoding: TextEncoding, span: Span) -> list[int]:
    """The rows of the tokens that characters of a text belong to."""
    start, end = span
    return [row for row, (first, last) in enumerate(encoding.offsets) if last > first and first < end and last > start]


def encoded(encoder: TextEncoder, rewritten: Rewritten, local: bool = True) -> Tensor:
    """(L, t). local: the words of each region by themselves, where they have as many tokens alone as in the prompt."""
    whole = encoder.encode(rewritten.text)
    hidden = whole.hidden.clone()
    for span in rewritten.spans if local else ():
        if span is not None:
            words = rewritten.text[span[0] : span[1]]
            alone, rows = encoder.encode(words), tokens_of(whole, span)
            own = tokens_of(alone, (0, len(words)))
            if len(own) == len(rows):
                hidden[rows] = alone.hidden[own]
    return hidden
