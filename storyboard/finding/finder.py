"""Searches the chosen takes of a story for what words say.

What a clip shows before anything is asked is computed once a clip and kept in memory, up to a number of bytes, so that
the next search of a film takes no longer than the words need.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ThroughlineError

from ..document.story import Board, Scene, Take
from ..store.blobs import BlobStore
from ..store.clips import read_frames
from .names import asked_of

if TYPE_CHECKING:  # they load torch, which a page that only shows something need not wait for
    from pipeline.grounding.film import FilmSearch, Seen

MOST_BYTES = 300 << 20  # of clips that were looked at
MOST_WORDS = 200  # characters of what is asked


@dataclass(frozen=True, eq=False)
class Hit:
    """scene: its id. number: from 1. first and last: frames of its clip, both included. start and end: seconds of the
    scene, the end exclusive. boxes: one a frame from `first` to `last`, left, top, right, bottom as shares of the
    picture. score: 0 to 1, that it is there."""

    scene: str
    number: int
    first: int
    last: int
    start: float
    end: float
    score: float
    boxes: tuple[tuple[float, ...], ...]


class Finder:
    """Safe for threads; one search at a time."""

    def __init__(self, media: BlobStore) -> None:
        self._media, self._lock = media, threading.Lock()
        self._seen: OrderedDict[str, Sequence[Seen]] = OrderedDict()
        self._film: FilmSearch | None = None

    def find(self, board: Board, words: str) -> list[Hit]:
        """Where the chosen takes show what `words` say, the likeliest first. Raises ThroughlineError for no words or
        too many, and if the locator is not there."""
        asked = words.strip()
        if not asked or len(asked) > MOST_WORDS:
            raise ThroughlineError(f"words are {words[:40]!r}: expected 1 to {MOST_WORDS} characters")
        prompts = [scene.prompt for scene in board.story.scenes]
        searched: list[tuple[int, Scene, Take, str]] = []
        for number, scene in enumerate(board.story.scenes, 1):
            take, question = board.chosen(scene), asked_of(asked, scene.prompt, prompts)
            if take is not None and question is not None:
                searched.append((number, scene, take, question))
        with self._lock:
            hits = [hit for each in searched if (hit := self._ask(*each)) is not None]
        return sorted(hits, key=lambda hit: -hit.score)

    def _ask(self, number: int, scene: Scene, take: Take, question: str) -> Hit | None:
        film = self._locator()
        tube = film.find(self._clip(film, take), question)
        if tube is None:
            return None
        rate = take.frames_per_second
        boxes = tuple(tuple(round(float(x), 4) for x in box) for box in np.clip(tube.boxes, 0, 1))
        start, end = tube.first / rate, (tube.last + 1) / rate
        return Hit(scene.id, number, tube.first, tube.last, start, end, round(tube.score, 3), boxes)

    def _locator(self) -> FilmSearch:
        if self._film is None:
            from pipeline.grounding import film

            self._film = film.load()
        return self._film

    def _clip(self, film: FilmSearch, take: Take) -> Sequence[Seen]:
        known = self._seen.get(take.clip)
        if known is None:
            known = self._seen[take.clip] = film.see(read_frames(self._media, take))
        self._seen.move_to_end(take.clip)
        while sum(w.nbytes for clip in self._seen.values() for w in clip) > MOST_BYTES and len(self._seen) > 1:
            self._seen.popitem(last=False)
        return known
