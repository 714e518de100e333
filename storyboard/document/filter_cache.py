"""The text filter for many scenes at once: it is asked about every pair of prompts once, not at every edit.

What it keeps of a past prompt depends on that prompt, the present one and the settings alone (docs/method.md), so
after an edit only the pairs of the scene that was edited are new.

Imports neither torch nor gradio: the filter is given.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Protocol
from weakref import WeakValueDictionary

from pipeline.errors import ThroughlineError

from .conditioning import Filter, Kept, Part, spans_of
from .decisions import Decision, Dropped, KeptWord, WordPlace

MOST_BYTES = 128 << 20  # of all that is known; a story of 500 scenes of 30 words, nearly all of it kept, takes 108 MB
PAIR_BYTES, PART_BYTES, ROW_BYTES = 300, 550, 900  # by tracemalloc, with what a plan makes of a part
MOST_OVERRIDDEN = 50_000  # pairs with a pin or a mute
TURN_SECONDS, PAUSE_SECONDS = 0.002, 0.0001  # after so much work other threads have their turn

Words = Sequence[KeptWord]
Targets = tuple[tuple[int, int], ...]  # mentions of a past prompt that are kept, each with the one that it matches


class Pairs(Protocol):
    """Says the same as the filter about pairs without pins and mutes, in less time: `pipeline.text_filter.TextFilter`,
    or one that remembers what that said."""

    def targets(self, past_prompts: Sequence[str], prompt: str, threshold: float | None) -> Iterable[Targets]:
        """Of each past prompt. Raises ThroughlineError as the filter does."""
        ...

    def words(self, past: str, prompt: str, targets: Targets) -> tuple[Words, Words]:
        """Those of the past prompt and those of the present one."""
        ...


@dataclass(frozen=True)
class KeptWords:
    """A `Decision` with the kept words alone."""

    scenes: Sequence[Kept]
    current: Words

    def without(self, dropped: Dropped) -> KeptWords:
        less: dict[int, set[int]] = {}
        for scene, mention in dropped:
            less.setdefault(scene, set()).add(mention)
        scenes = list(self.scenes)
        for index, mentions in less.items():
            scenes[index] = scenes[index].without(frozenset(mentions))
        return KeptWords(scenes, self.current)


class _Turn:
    """Work in small pieces: who has worked for long lets the others of `busy` go on, which the interpreter alone would
    let wait at every step for as long."""

    def __init__(self, busy: set[_Turn]) -> None:
        self._busy, self._began = busy, time.perf_counter()

    def __enter__(self) -> None:
        self._busy.add(self)

    def __exit__(self, *error: object) -> None:
        self._busy.discard(self)

    def pass_on(self) -> None:
        if time.perf_counter() - self._began > TURN_SECONDS:
            if len(self._busy) > 1:
                time.sleep(PAUSE_SECONDS)
            self._began = time.perf_counter()


NOTHING = Kept((), ())


@dataclass
class _Row:
    """What is kept for one prompt of each past one, if nothing is pinned or muted."""

    kept: dict[str, Kept] = field(default_factory=dict)
    counted: int = 0  # as how many pairs it counts


class FilterCache:
    """Like the filter, for `plan.standings` and `plan.settle`. Safe for threads, and no thread waits for another.

    pairs: what to ask in place of the filter where nothing is pinned or muted.
    """

    def __init__(self, filter: Filter[Decision], pairs: Pairs | None = None) -> None:
        self._filter, self._pairs = filter, pairs
        self._overridden = lru_cache(maxsize=MOST_OVERRIDDEN)(lambda *pair: Kept(*self._ask(*pair)))
        self._parts: WeakValueDictionary[tuple[str, tuple[tuple[int, int], ...]], Part] = WeakValueDictionary()
        self._rows: OrderedDict[tuple[str, float | None], _Row] = OrderedDict()  # by prompt and threshold
        self._counted = 0  # pairs in all rows
        self._busy: set[_Turn] = set()
        self._lock = threading.Lock()  # of the order of the rows; never held while the filter is asked

    def __call__(
        self,
        past_prompts: Sequence[str],
        prompt: str,
        *,
        threshold: float | None = None,
        pins: Sequence[WordPlace] = (),
        mutes: Sequence[WordPlace] = (),
        muted_scenes: Sequence[int] = (),
        former: int | None = None,
    ) -> Decision:
        """Raises ThroughlineError as the filter does."""
        own = {} if former is None else {"former": former}
        ask = partial(
            self._filter,
            past_prompts,
            prompt,
            threshold=threshold,
            pins=pins,
            mutes=mutes,
            muted_scenes=muted_scenes,
            **own,
        )
        if not past_prompts:
            return ask()
        try:
            others = [past for index, past in enumerate(past_prompts) if index != former] if own else past_prompts
            scenes = self._row(others, prompt, threshold)
            if former is not None:
                scenes.insert(former, NOTHING)
            for index in {*own.values(), *muted_scenes, *(place.scene for place in (*pins, *mutes))}:
                overrides = _of(pins, index), _of(mutes, index), index in muted_scenes, index == former
                scenes[index] = self._overridden(past_prompts[index], prompt, threshold, *overrides)
        except ThroughlineError:
            return ask()  # its message counts scenes as they are
        distinct = {id(scene.current): scene.current for scene in scenes}
        current = {word.start: word for words in distinct.values() for word in words}
        return KeptWords(scenes, tuple(current[start] for start in sorted(current)))

    def _row(self, past_prompts: Sequence[str], prompt: str, threshold: float | None) -> list[Kept]:
        """What is kept of each past prompt if nothing is pinned or muted."""
        with self._lock:
            row = self._rows.setdefault((prompt, threshold), _Row())
            self._rows.move_to_end((prompt, threshold))
        found = list(map(row.kept.get, past_prompts))
        if None in found:
            self._fill(row, past_prompts, prompt, threshold)
            found = [row.kept[past] for past in past_prompts]
        return found  # type: ignore[return-value]

    def _fill(self, row: _Row, past_prompts: Sequence[str], prompt: str, threshold: float | None) -> None:
        turn = _Turn(self._busy)
        missing = [past for past in dict.fromkeys(past_prompts) if past not in row.kept]
        with turn:
            for past, kept in zip(missing, self._asked(missing, prompt, threshold), strict=True):
                row.kept[past] = kept
                turn.pass_on()
        with self._lock:
            if self._rows.get((prompt, threshold)) is row:
                self._counted += len(row.kept) - row.counted
                row.counted = len(row.kept)
            while self.bytes > MOST_BYTES and len(self._rows) > 1:
                self._counted -= self._rows.popitem(last=False)[1].counted

    @property
    def bytes(self) -> int:
        """About how much memory all of it takes."""
        return len(self._rows) * ROW_BYTES + self._counted * PAIR_BYTES + len(self._parts) * PART_BYTES

    def _asked(self, past_prompts: Sequence[str], prompt: str, threshold: float | None) -> Iterator[Kept]:
        if self._pairs is None:
            yield from (self._kept(past, *self._ask(past, prompt, threshold)) for past in past_prompts)
            return
        found = self._pairs.targets(past_prompts, prompt, threshold)
        for past, targets in zip(past_prompts, found, strict=True):
            yield self._kept(past, *self._pairs.words(past, prompt, targets))

    def _kept(self, past: str, words: Words, current: Words) -> Kept:
        """Most pairs share what they hold with others."""
        if not words:
            return NOTHING
        key = past, spans_of(words)
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = Part(key[1])
        return Kept(words, current, part)

    def _ask(
        self,
        past: str,
        prompt: str,
        threshold: float | None,
        pins: tuple[WordPlace, ...] = (),
        mutes: tuple[WordPlace, ...] = (),
        muted: bool = False,
        former: bool = False,
    ) -> tuple[Words, Words]:
        own: dict[str, Any] = {"former": 0} if former else {}
        result = self._filter(
            [past], prompt, threshold=threshold, pins=pins, mutes=mutes, muted_scenes=[0] if muted else [], **own
        )
        kept = [tuple(word for word in words if word.kept) for words in (result.scenes[0].words, result.current)]
        return kept[0], kept[1]


def _of(places: Sequence[WordPlace], scene: int) -> tuple[WordPlace, ...]:
    return tuple(WordPlace(0, place.start, place.end) for place in places if place.scene == scene)
