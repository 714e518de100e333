"""What a text filter decides, as much of it as the document needs: values and protocols.

Imports nothing of ours; the filter itself is `pipeline.text_filter`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, Self

Dropped = Mapping[tuple[int, int], str]  # mentions of the past, (scene, mention), and why


class WordPlace(NamedTuple):
    """Characters `start` to `end` of the prompt of past scene `scene`, counted from 0 among the past scenes."""

    scene: int
    start: int
    end: int


class KeptWord(Protocol):
    """As much of a `pipeline.text_filter.Word` as decides what a scene is made from."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def kept(self) -> bool: ...
    @property
    def matched(self) -> str | None: ...
    @property
    def mention(self) -> int | None: ...


class Remembered(Protocol):
    """Of a past scene: a `FilteredScene`."""

    @property
    def words(self) -> Sequence[KeptWord]: ...
    @property
    def kept(self) -> bool: ...


class Decision(Protocol):
    """Of the filter about a scene's whole past, scene by scene: a `FilterResult`."""

    @property
    def scenes(self) -> Sequence[Remembered]: ...
    @property
    def current(self) -> Sequence[KeptWord]: ...
    def without(self, dropped: Dropped) -> Self:
        """The same but for some mentions of the past that are not kept, for others mean the same."""
        ...
