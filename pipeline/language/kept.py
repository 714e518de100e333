"""Words that are kept, without the reasons: of past prompts, and of what a prompt was before some words changed.

Equal ones are the same object: a long story has millions.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from .mentions import Analysis, analyse

if TYPE_CHECKING:
    from .matching import Verdict


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


# Of a prompt's own former words


def unchanged(former: str, prompt: str) -> tuple[Verdict, ...]:
    """Of each mention of what a prompt was before, whether it is kept: if it is said as it was, word for word, of "Mia
    in a red coat is dancing" the dancing if her coat is blue now. Mia herself would bring the red one back. No word is
    compared with another but by its letters."""
    from .matching import Verdict  # it loads torch

    was, now = analyse(former), analyse(prompt)
    place = _same_places(was, now)
    verdicts = []
    for mention in was.mentions:
        words, main = {place.get(word) for word in mention.words}, place.get(mention.phrases[0].head)
        target = None if main is None else now.mention_of[main]
        same = target is not None and words == set(now.mentions[target].words)
        verdicts.append(Verdict(same, "said as before" if same else "changed", target if same else None, target))
    return tuple(verdicts)


def _same_places(was: Analysis, now: Analysis) -> dict[int, int]:
    """Words of the former prompt that are still there, in order, each with its place in the prompt."""
    a, b = ([segment.form for segment in analysis.segments] for analysis in (was, now))
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return {block.a + i: block.b + i for block in blocks for i in range(block.size)}
