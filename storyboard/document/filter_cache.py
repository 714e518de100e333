"""The text filter for many scenes at once: it is asked about every pair of prompts once, not at every edit.

What it keeps of a past prompt depends on that prompt, the present one and the settings alone (docs/method.md), so
after an edit only the pairs of the scene that was edited are new.

Imports neither torch nor gradio: the filter is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from pipeline.errors import ThroughlineError

from .conditioning import Decision, Filter, KeptWord, WordPlace

MOST_PAIRS = 50_000  # about 300 bytes each: a story of 300 scenes


@dataclass(frozen=True)
class Kept:
    """What is kept of one past prompt, and the words of the present one that it matches."""

    words: tuple[KeptWord, ...] = ()
    current: tuple[KeptWord, ...] = ()

    @property
    def kept(self) -> bool:
        return bool(self.words)


@dataclass(frozen=True)
class KeptWords:
    """A `Decision` with the kept words alone."""

    scenes: tuple[Kept, ...]
    current: tuple[KeptWord, ...]


class FilterCache:
    """Like the filter, for `plan.standings` and `plan.settle`. Safe for threads."""

    def __init__(self, filter: Filter[Decision]) -> None:
        self._filter = filter
        self._of_pair = lru_cache(maxsize=MOST_PAIRS)(self._ask)

    def __call__(
        self,
        past_prompts: Sequence[str],
        prompt: str,
        *,
        threshold: float | None = None,
        pins: Sequence[WordPlace] = (),
        mutes: Sequence[WordPlace] = (),
        muted_scenes: Sequence[int] = (),
    ) -> Decision:
        """Raises ThroughlineError as the filter does."""
        ask = partial(
            self._filter, past_prompts, prompt, threshold=threshold, pins=pins, mutes=mutes, muted_scenes=muted_scenes
        )
        if not past_prompts:
            return ask()
        try:
            scenes = tuple(
                self._of_pair(past, prompt, threshold, _of(pins, index), _of(mutes, index), index in muted_scenes)
                for index, past in enumerate(past_prompts)
            )
        except ThroughlineError:
            return ask()  # its message counts scenes as they are
        current = {word.start: word for scene in scenes for word in scene.current}
        return KeptWords(scenes, tuple(current[start] for start in sorted(current)))

    def _ask(
        self,
        past: str,
        prompt: str,
        threshold: float | None,
        pins: tuple[WordPlace, ...],
        mutes: tuple[WordPlace, ...],
        muted: bool,
    ) -> Kept:
        result = self._filter(
            [past], prompt, threshold=threshold, pins=pins, mutes=mutes, muted_scenes=[0] if muted else []
        )
        kept = (tuple(word for word in words if word.kept) for words in (result.scenes[0].words, result.current))
        return Kept(*kept)


def _of(places: Sequence[WordPlace], scene: int) -> tuple[WordPlace, ...]:
    return tuple(WordPlace(0, place.start, place.end) for place in places if place.scene == scene)
