"""Words that are kept, without the reasons: of past prompts, and of what a prompt was before some words changed.

Equal ones are the same object: a long story has millions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from .matching import Verdict
from .mentions import Analysis, MentionParts, analyse


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


@dataclass(frozen=True)
class Rest:
    """What did not change of a prompt, phrase by phrase."""

    analysis: Analysis  # of the former prompt, every phrase a mention of its own
    verdicts: tuple[Verdict, ...]  # per phrase; target: the mention of the prompt that it is a part of now
    rows: tuple[tuple[int, ...], ...]  # per phrase: its words in the prompt, as far as they are there


def rest_of(former: str, prompt: str) -> Rest:
    """A phrase is kept if all its words are still there, and those of the phrase that it says more about: of "Mia in a
    red coat is running" what "Mia in a blue coat is running" keeps is Mia and running; of "a dog in a red coat" a cat
    in one keeps nothing. No word is compared with another but by its letters."""
    was, now = analyse(former), analyse(prompt)
    place = _same_places(was, now)
    pairs = [(phrase, mention.phrases[0]) for mention in was.mentions for phrase in mention.phrases]
    pairs.sort(key=lambda pair: pair[0].words)
    mention_of: list[int | None] = [None] * len(was.segments)
    for index, (phrase, _) in enumerate(pairs):
        for word in phrase.words:
            mention_of[word] = index
    own = tuple(MentionParts((phrase,)) for phrase, _ in pairs)
    whole = [all(word in place for word in (*phrase.words, *main.words)) for phrase, main in pairs]
    targets = [now.mention_of[place[main.head]] if main.head in place else None for _, main in pairs]
    verdicts = (_verdict(same, target) for same, target in zip(whole, targets, strict=True))
    rows = (tuple(place[word] for word in phrase.words if word in place) for phrase, _ in pairs)
    return Rest(replace(was, mentions=own, mention_of=tuple(mention_of)), tuple(verdicts), tuple(rows))


def _verdict(same: bool, target: int | None) -> Verdict:
    kept = same and target is not None
    return Verdict(kept, "said before and now" if kept else "changed", target if kept else None, target)


def _same_places(was: Analysis, now: Analysis) -> dict[int, int]:
    """Words of the former prompt that are still there, in order, each with its place in the prompt."""
    a, b = ([segment.form for segment in analysis.segments] for analysis in (was, now))
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return {block.a + i: block.b + i for block in blocks for i in range(block.size)}
