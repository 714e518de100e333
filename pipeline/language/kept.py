"""Words that are kept, without the reasons. Equal ones are the same object: a long story has millions."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from .mentions import analyse


class KeptWord(NamedTuple):
    """A word of a prompt."""

    place: int  # among the words of the prompt
    start: int  # characters of the prompt
    end: int
    mention: int  # index of its mention in the prompt
    matched: str | None  # the mention of the current prompt that it matches; None for a word of that itself
    kept: bool = True


@lru_cache(maxsize=1 << 16)
def kept_words(prompt: str, mention: int, matched: str | None) -> tuple[KeptWord, ...]:
    """The words of one mention."""
    analysis = analyse(prompt)
    words = ((i, analysis.segments[i]) for i in analysis.mentions[mention].words)
    return tuple(KeptWord(i, word.start, word.end, mention, matched) for i, word in words)


@lru_cache(maxsize=1 << 14)
def current_words(prompt: str, mentions: tuple[int, ...]) -> tuple[KeptWord, ...]:
    """The words of some mentions, in order."""
    return in_order(kept_words(prompt, mention, None) for mention in mentions)


def in_order(groups: Iterable[tuple[KeptWord, ...]]) -> tuple[KeptWord, ...]:
    return tuple(sorted(chain.from_iterable(groups)))
