"""Other ways to decide what of the past is remembered, for ablations; `pipeline.text_filter` is the one that ships.

All are called as a TextFilter is, with past prompts and a prompt, and give a FilterResult.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...encoders.text import TextEncoder, TextEncoding
from ...text_filter import FilteredScene, FilterResult, TextFilter, Word

EVERYTHING = -1.0  # a threshold that no cosine is under


class PromptFilter(Protocol):
    def __call__(self, past_prompts: Sequence[str], prompt: str, *, former: int | None = None) -> FilterResult: ...


@dataclass(frozen=True)
class RecentScenes:
    """The text filter over the last `count` scenes alone: 1 is "last frame only", 0 remembers nothing."""

    inner: TextFilter
    count: int

    def __call__(self, past_prompts: Sequence[str], prompt: str, *, former: int | None = None) -> FilterResult:
        muted = range(max(0, len(past_prompts) - self.count))
        return self.inner(past_prompts, prompt, muted_scenes=muted, former=former)


@dataclass(frozen=True)
class TokenFilter:
    """Tokens, not mentions, as the method was first written: a token of a past prompt is kept if its best cosine with
    a token of the prompt reaches the threshold. Numbers, names, attributes and function words are like any other token.
    With EVERYTHING as the threshold, past prompts are remembered whole.
    """

    encoder: TextEncoder
    threshold: float

    def __call__(self, past_prompts: Sequence[str], prompt: str, *, former: int | None = None) -> FilterResult:
        """A former prompt of its own is a past one like the others."""
        current = self.encoder.encode(prompt)
        rows = _tokens(current)
        matched = np.zeros(len(rows), bool)
        scenes = []
        for index, text in enumerate(past_prompts):
            past = self.encoder.encode(text)
            cosines = _units(past, _tokens(past)) @ _units(current, rows).T
            matched |= (cosines >= self.threshold).any(0)
            words = _words(past, cosines.max(1), cosines.max(1) >= self.threshold)
            scenes.append(FilteredScene(index, text, words, muted=False, targets=()))
        return FilterResult(prompt, self.threshold, tuple(scenes), _words(current, matched.astype(float), matched))


def _tokens(encoding: TextEncoding) -> list[int]:
    """All but special ones."""
    return [index for index, (start, end) in enumerate(encoding.offsets) if end > start]


def _units(encoding: TextEncoding, rows: list[int]) -> np.ndarray:
    vectors = encoding.hidden[rows].numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _words(encoding: TextEncoding, scores: np.ndarray, kept: np.ndarray) -> tuple[Word, ...]:
    """One word a token."""
    spans = (encoding.offsets[row] for row in _tokens(encoding))

    def word(a: int, b: int, score: float, keep: bool) -> Word:
        reason = "token over the threshold" if keep else "under"
        return Word(encoding.text[a:b], a, b, float(score), bool(keep), reason, None, None)

    return tuple(word(*span, score, keep) for span, score, keep in zip(spans, scores, kept, strict=True))
