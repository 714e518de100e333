"""What `matching.targets` decides about many past prompts and one current prompt, in a tenth of the time.

The strengths of all their words are worked out together, in an order that is fast; so they are known up to rounding.
What that leaves open is asked of `matching` itself: the decisions are the very same.

S = telling words of the past prompts, each spelling once        T = all of them        M = mentions of the past prompts
C = words of the current prompt that may stand for its K mentions                       d = width of the encoder
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain, groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from .matching import OTHER_SORT_PENALTY, Conflicts, Pair, Targets, rule_between
from .reading import Prompt, Spelling

# Two sums of 384 products of unit vectors in single precision, each in another order, differ by at most 2 · 384 · 6e-8.
ROUNDING = 1e-4


class _Doubt(Exception):
    """Rounding decides."""


class _Bounds(NamedTuple):
    """Between which values strengths are."""

    least: np.ndarray
    most: np.ndarray


class _Candidate(NamedTuple):
    """A mention of the current prompt, and between which values its strength is for one of the past."""

    mention: int
    least: float
    most: float


class Row:
    """One current prompt beside past ones. It learns their words: not to be shared between threads."""

    def __init__(self, current: Prompt, threshold: float) -> None:
        self.current, self.threshold = current, threshold
        self.places = sorted({q for own, owners in current.naming for q in (*own, *owners)} | _heads(current))
        self.column = {q: column for column, q in enumerate(self.places)}
        self._words = _Words(current, self.places)
        self._context = current.context[self.places].T
        self._verbs = np.array([q in current.analysis.verbs for q in self.places], bool)
        self._own = _Groups.of([[self.column[q] for q in own] for own, _ in current.naming])
        self._owned = _Groups.of([[self.column[q] for q in (*own, *owners)] for own, owners in current.naming])

    def targets(self, pasts: Sequence[Prompt]) -> list[Targets]:
        """What `matching.targets` says of each past prompt. Some dozens at once are fast and need little memory."""
        told = [past for past in pasts if past.analysis.mentions and self.places]
        found = iter(self._targets(told) if told else ())
        return [next(found) if past.analysis.mentions and self.places else () for past in pasts]

    def _targets(self, pasts: Sequence[Prompt]) -> Iterator[Targets]:
        stack = _Stack(pasts)
        words = self._strengths(pasts, stack)
        candidates = self._candidates(self._of_mentions(words, stack), stack)
        for number, past in enumerate(pasts):
            rows = slice(stack.first_row[number], stack.first_row[number + 1])
            judge = _Judge(self, past, _Bounds(words.least[rows], words.most[rows]))
            found = [(m, judge.target(m, some)) for m, some in candidates[number]]
            yield tuple((m, k) for m, k in found if k is not None)

    def _strengths(self, pasts: Sequence[Prompt], stack: "_Stack") -> _Bounds:
        """(T, C): what `Pair.heads` says of two words."""
        words = np.concatenate([self._words.places(past) for past in pasts])
        context = np.concatenate([past.context[past.told.places] for past in pasts]) @ self._context
        cosines = (context + self._words.alone[words]) / 2 - self._words.penalty[words]
        other_sort = stack.verbs[:, None] != self._verbs
        bounds = [np.maximum(cosines + error, self._words.least[words]) for error in (-ROUNDING, ROUNDING)]
        return _Bounds(*(np.where(other_sort & (v < 1.0), v - OTHER_SORT_PENALTY, v) for v in bounds))

    def _of_mentions(self, words: _Bounds, stack: "_Stack") -> _Bounds:
        """(M, K): what `Pair.strongest` says of two mentions."""
        found = []
        for strengths in words:
            heads = stack.heads.greatest(strengths)
            mentions = self._own.greatest(heads.T).T
            if stack.named.any():
                mentions = np.where(stack.named[:, None], self._owned.greatest(heads.T).T, mentions)
            found.append(mentions)
        return _Bounds(*found)

    def _candidates(self, found: _Bounds, stack: "_Stack") -> list[list[tuple[int, list[_Candidate]]]]:
        """Of each past prompt: its mentions that may be kept, with what they may match."""
        rows, columns = np.nonzero(found.most >= self.threshold)
        values = (found.least[rows, columns].tolist(), found.most[rows, columns].tolist())
        prompts, mentions = stack.prompt_of[rows].tolist(), stack.mention_of[rows].tolist()
        listed: list[list[tuple[int, list[_Candidate]]]] = [[] for _ in range(len(stack.first_row) - 1)]
        every = zip(prompts, mentions, map(_Candidate, columns.tolist(), *values), strict=True)
        for (prompt, m), group in groupby(every, itemgetter(0, 1)):
            listed[prompt].append((m, [candidate for _, _, candidate in group]))
        return listed


def _heads(prompt: Prompt) -> set[int]:
    return {place for place, _, _ in prompt.telling}


class _Judge:
    """The decision about the mentions of one past prompt. words: (T, C) strengths of its own words."""

    def __init__(self, row: Row, past: Prompt, words: _Bounds) -> None:
        self.row, self.past, self.words = row, past, words

    def target(self, m: int, some: list[_Candidate]) -> int | None:
        """What `Pair.target` says. some: all that may reach the threshold, in order."""
        try:
            return self._target(m, some)
        except _Doubt:
            return self._pair.target(m)

    def _target(self, m: int, some: list[_Candidate]) -> int | None:
        some.sort(key=lambda one: -one.least)  # of equal ones the first
        for place, one in enumerate(some):
            if not self._conflict(m, one.mention):
                if one.least < self.row.threshold or any(_may_beat(other, one) for other in some[place + 1 :]):
                    raise _Doubt
                return one.mention
        return None

    def _alike(self, p: int, q: int) -> bool:
        at = self.past.told.row[p], self.row.column[q]
        if self.words.least[at] < self.row.threshold <= self.words.most[at]:
            raise _Doubt
        return bool(self.words.least[at] >= self.row.threshold)

    @cached_property
    def _conflict(self) -> Callable[[int, int], str]:
        return Conflicts(self.past, self.row.current, self._alike).between

    @cached_property
    def _pair(self) -> Pair:
        return Pair(self.past, self.row.current, self.row.threshold)


def _may_beat(other: _Candidate, one: _Candidate) -> bool:
    """Whether `other`, which comes later, may be the stronger one."""
    exact = other.least == other.most == one.least == one.most
    return other.most >= one.least and not exact


class _Groups:
    """Places in an array, group after group, each of at least one."""

    def __init__(self, places: np.ndarray, lengths: np.ndarray) -> None:
        self.places, self.starts = places, np.cumsum(lengths) - lengths

    @classmethod
    def of(cls, groups: Sequence[Sequence[int]]) -> "_Groups":
        return cls(np.array([*chain(*groups)], np.intp), np.array([*map(len, groups)], np.intp))

    def greatest(self, values: np.ndarray) -> np.ndarray:
        """The greatest value of each group of rows."""
        return np.maximum.reduceat(values[self.places], self.starts, axis=0)


class _Stack:
    """The telling words and the mentions of several past prompts, one below the other."""

    def __init__(self, pasts: Sequence[Prompt]) -> None:
        told = [past.told for past in pasts]
        self.first_row = np.cumsum([0, *(len(one.places) for one in told)])
        self.verbs = np.concatenate([one.verbs for one in told])
        self.named = np.concatenate([one.lengths > 1 for one in told])
        counts = [len(one.lengths) for one in told]
        self.prompt_of = np.repeat(np.arange(len(told)), counts)
        self.mention_of = np.concatenate([np.arange(count) for count in counts])
        heads = [one.heads + first for one, first in zip(told, self.first_row, strict=False)]
        self.heads = _Groups(np.concatenate(heads), np.concatenate([one.lengths for one in told]))


class _Words:
    """What is known of words of the past beside those of the current prompt."""

    def __init__(self, current: Prompt, columns: Sequence[int]) -> None:
        self._current, self._columns = current, columns
        self._place: dict[tuple[Spelling, bool], int] = {}
        self.alone = np.empty((0, len(columns)), np.float32)  # (S, C) cosines
        self.least = np.empty((0, len(columns)))  # (S, C) of their `Rule`
        self.penalty = np.empty((0, len(columns)))  # (S, C)

    def places(self, past: Prompt) -> np.ndarray:
        """(T,) where the telling words of a past prompt stand in the arrays, which learn what they lack."""
        english = past.analysis.language == self._current.analysis.language == "en"
        keys = [(spelling, english) for _, spelling, _ in past.telling]
        new = {key: place for key, (place, _, _) in zip(keys, past.telling, strict=True) if key not in self._place}
        if new:
            self._learn(new, past)
        return np.array([self._place[key] for key in keys], np.intp)

    def _learn(self, new: dict[tuple[Spelling, bool], int], past: Prompt) -> None:
        """new: words of `past`, with their places there."""
        others = [self._current.spellings[q] for q in self._columns]
        rules = [[rule_between(word, other, english) for other in others] for word, english in new]
        least = np.array([[rule.least for rule in row] for row in rules])
        penalty = np.array([[rule.penalty + rule.foreign for rule in row] for row in rules])
        alone = past.alone[[*new.values()]] @ self._current.alone[self._columns].T
        self.alone, self.least = np.concatenate([self.alone, alone]), np.concatenate([self.least, least])
        self.penalty = np.concatenate([self.penalty, penalty])
        self._place |= {key: len(self._place) + number for number, key in enumerate(new)}
