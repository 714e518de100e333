"""The mentions of a prompt that have looks."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.language.mentions import analyse

Span = tuple[int, int]  # characters of a prompt


@dataclass(frozen=True)
class Named:
    """A mention of a scene's prompt that has looks: its text, and where its words are."""

    index: int
    text: str
    spans: tuple[Span, ...]


def spans_of(prompt: str) -> list[tuple[int, tuple[Span, ...]]]:
    """Of the mentions of a prompt but its actions, in order: the index, and where the words are."""
    found = analyse(prompt)
    return [
        (i, tuple((found.segments[w].start, found.segments[w].end) for w in mention.words))
        for i, mention in enumerate(found.mentions)
        if not set(mention.words) <= found.verbs
    ]


def mentions_of(prompt: str) -> tuple[Named, ...]:
    """The same with their texts."""
    from pipeline.language.matching import mention_text  # it loads torch

    found = analyse(prompt)
    return tuple(Named(i, mention_text(found, i), spans) for i, spans in spans_of(prompt))
