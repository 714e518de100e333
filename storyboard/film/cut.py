"""The film of a board before any picture of it is read: what is shown, from which frame on and for how long.

All lengths are whole frames at the film's rate, so that pictures, captions and sound agree about where everything is.
Scenes without a take are not in the film. Does not cover: pictures (`storyboard.film.picture`), sound
of its own.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from ..document.film import Card, Seam
from ..document.story import Board, Scene, Take


class Passage(NamedTuple):
    """A seam in frames: the last `out` of one part and the first `into` of the next are not shown as they are."""

    out: int
    into: int
    shared: int  # of these, how many the two parts show at once


class Used(NamedTuple):
    """The frames of a take that are in the film."""

    first: int  # from 0
    frames: int


@dataclass(frozen=True)
class FilmScene:
    """A scene that is in the film."""

    number: int  # of the scene in the story, from 1
    scene: Scene
    take: Take
    continues: bool = False  # whether its first frame is the last one of the scene before it, which is shown once

    @property
    def seam(self) -> Seam:
        return self.scene.seam

    @property
    def caption(self) -> str:
        return caption_of(self.scene)

    @property
    def used(self) -> Used:
        """At least one frame, however much is left out."""
        rate, count, shot = self.take.frames_per_second, self.take.num_frames, self.scene.shot
        first = min(max(round(shot.skip * rate), int(self.continues)), count - 1)
        return Used(first, max(1, count - first - round(shot.cut * rate)))

    def moving(self, frames_per_second: float) -> int:
        """Frames of the film before the last one is held."""
        seconds = self.used.frames / (self.take.frames_per_second * self.scene.shot.speed)
        return max(1, round(seconds * frames_per_second))

    def length(self, frames_per_second: float) -> int:
        return self.moving(frames_per_second) + round(self.scene.shot.hold * frames_per_second)


@dataclass(frozen=True)
class FilmCard:
    """A card that is in the film."""

    card: Card

    @property
    def seam(self) -> Seam:
        return self.card.seam

    def length(self, frames_per_second: float) -> int:
        return max(1, round(self.card.seconds * frames_per_second))


@dataclass(frozen=True)
class Cut:
    """What is in the film, in order."""

    shots: tuple[FilmScene, ...]
    frames_per_second: float
    title: FilmCard | None = None
    end: FilmCard | None = None

    def at(self, frames_per_second: float | None) -> Cut:
        """The same film at another rate; None for its own."""
        return replace(self, frames_per_second=frames_per_second) if frames_per_second else self

    @cached_property
    def parts(self) -> tuple[FilmScene | FilmCard, ...]:
        """The scenes, and cards around them."""
        cards = [(card,) if card else () for card in (self.title, self.end)]
        return (*cards[0], *self.shots, *cards[1])

    @cached_property
    def part_lengths(self) -> list[int]:
        return [part.length(self.frames_per_second) for part in self.parts]

    @cached_property
    def passages(self) -> list[Passage]:
        """How each part follows the one before it; nothing, for the first."""
        seams = [part.seam for part in self.parts[1:]]
        pairs = zip(pairwise(self.part_lengths), seams, strict=True)
        rest = [passage(seam, before, after, self.frames_per_second) for (before, after), seam in pairs]
        return [Passage(0, 0, 0), *rest][: len(self.parts)]

    @cached_property
    def part_starts(self) -> list[int]:
        """The film's frame, from 0, in which each part begins to be seen."""
        return _starts(self.part_lengths, self.passages)

    @property
    def frames(self) -> int:
        """How many the film has."""
        return self.part_starts[-1] + self.part_lengths[-1] if self.parts else 0

    @property
    def seconds(self) -> float:
        return self.frames / self.frames_per_second

    @property
    def lengths(self) -> list[int]:
        """Frames of each scene in the film."""
        return self._of_scenes(self.part_lengths)

    @property
    def starts(self) -> list[int]:
        """The film's frame in which each scene begins."""
        return self._of_scenes(self.part_starts)

    @property
    def seams(self) -> list[Seam]:
        return [shot.seam for shot in self.shots]

    @property
    def marks(self) -> dict[str, float]:
        """Seconds at which each scene of the film begins, by its id."""
        pairs = zip(self.shots, self.starts, strict=True)
        return {shot.scene.id: start / self.frames_per_second for shot, start in pairs}

    def _of_scenes(self, figures: list[int]) -> list[int]:
        first = 1 if self.title else 0
        return figures[first : first + len(self.shots)]


def cut_of(board: Board) -> Cut:
    """The scenes that have a take, in order, between the story's cards; nothing if none has. The film has the highest
    rate of its takes; its file may have another (`Cut.at`)."""
    found = [(number, scene, board.chosen(scene)) for number, scene in enumerate(board.story.scenes, 1)]
    before = [None, *(take for _, _, take in found)]
    shots = tuple(
        FilmScene(number, scene, take, bool(last) and _continues(scene, take))
        for last, (number, scene, take) in zip(before, found, strict=False)
        if take
    )
    film, rate = board.story.film, max((shot.take.frames_per_second for shot in shots), default=1.0)
    title, end = (FilmCard(card) if shots and card.text.strip() else None for card in (film.title, film.end))
    return Cut(shots, rate, title, end)


def _continues(scene: Scene, take: Take) -> bool:
    """Whether a take was made from the end of the one before it; a clip of the user's own never was."""
    return scene.seam.kind == "continue" and take.source == "generated"


def caption_of(scene: Scene) -> str:
    """What stands under a scene in a film with captions; "" for nothing."""
    return (scene.prompt if scene.shot.caption is None else scene.shot.caption).strip()


def passage(seam: Seam, before: int, after: int, frames_per_second: float) -> Passage:
    """A seam between parts of `before` and `after` frames. It takes at most half of each, so that the two seams of a
    part never meet; what is longer is shortened, down to a cut."""
    frames = round(seam.seconds * frames_per_second)
    if seam.kind == "cross-fade":
        shared = min(frames, before // 2, after // 2)
        return Passage(shared, shared, shared)
    out = min(frames - frames // 2, before // 2)
    if seam.kind == "dip to black" and out:
        return Passage(out, min(frames // 2, after // 2), 0)
    return Passage(0, 0, 0)


def _starts(lengths: Sequence[int], passages: Sequence[Passage]) -> list[int]:
    starts = [0] if lengths else []
    for before, seam in zip(lengths, passages[1:], strict=False):
        starts.append(starts[-1] + before - seam.shared)
    return starts
