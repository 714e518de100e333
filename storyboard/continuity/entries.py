"""How an entry of the cast holds over a story: what each scene that names it shows, held against its picture.

The picture is the one that the scene looks at, so a scene in a costume state is held against the picture of that state.
A scene in which the entry is shown as last seen may differ by intention, and is marked. Nothing is measured here: see
`meter`; torch is not loaded before there is a measurement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..document.cast.anchoring import Anchor, anchors, name_places
from ..document.cast.entries import CastEntry
from ..document.story import Board, Scene, Take
from .mentions import Span, spans_of

if TYPE_CHECKING:
    from pipeline.continuity.measurement import Calibration, Measurement

NO_PICTURE = "It has no picture yet to hold scenes against."
NO_SCENE = "No scene that names it is rendered yet."
NOT_YET = "Not measured yet."


@dataclass(frozen=True)
class Sighting:
    """A rendered scene that names an entry. mention: of `spans_of` its prompt, the one that does."""

    scene: Scene
    number: int  # from 1
    take: Take
    anchor: Anchor
    mention: int

    @property
    def spans(self) -> tuple[Span, ...]:
        """Characters of the picture's caption that speak of the entry: those of the mention with its name."""
        caption, entry = self.anchor.prompt, self.anchor.entry
        place = _naming(entry, caption)
        return tuple(name_places(entry, caption)) if place is None else spans_of(caption)[place][1]


@dataclass(frozen=True)
class EntryScene:
    """similarity: to the picture, 0 to 1; None where the entry is not to be seen."""

    scene: str
    number: int
    presence: float  # probability that it is there
    similarity: float | None
    picture: str  # id
    last_seen: bool  # shown as last seen, not as in the picture


@dataclass(frozen=True)
class EntryReport:
    """nothing: why there is no scene, "" where there is. pending: scenes that are not measured yet."""

    entry: str
    name: str
    scenes: tuple[EntryScene, ...] = ()
    mean: float | None = None  # of the similarities
    pending: int = 0
    nothing: str = ""
    notes: tuple[str, ...] = ()


def sightings(board: Board, entry: CastEntry) -> list[Sighting]:
    """In the order of the story; none for an entry without pictures."""
    return list(_sightings(board, entry)) if entry.pictures else []


def _sightings(board: Board, entry: CastEntry) -> Iterator[Sighting]:
    story = board.story.model_copy(update={"cast": (entry,)})  # others need no anchors
    for number, scene in enumerate(story.scenes, 1):
        take, mention = board.chosen(scene), _naming(entry, scene.prompt)
        if take and mention is not None:
            (anchor,) = anchors(story, scene)
            yield Sighting(scene, number, take, anchor, mention)


def _naming(entry: CastEntry, prompt: str) -> int | None:
    """Which of the mentions of a prompt has a name of an entry in it."""
    names = name_places(entry, prompt)
    for place, (_, spans) in enumerate(spans_of(prompt) if names else ()):
        if any(start < b and a < end for start, end in spans for a, b in names):
            return place
    return None


def report(
    entry: CastEntry,
    seen: Sequence[Sighting],
    readings: Mapping[str, tuple[Measurement, Measurement]],
    scale: Calibration | None,
    notes: tuple[str, ...] = (),
) -> EntryReport:
    """readings: of the scenes that are measured, by id, the take's and that of the picture, whose one region is the
    entry's. scale: needed where there are any."""
    scenes = [_scored(one, *readings[one.scene.id], scale) for one in seen if one.scene.id in readings and scale]
    alike = [one.similarity for one in scenes if one.similarity is not None]
    nothing = NO_PICTURE if not entry.pictures else NO_SCENE if not seen else "" if scenes or notes else NOT_YET
    return EntryReport(
        entry=entry.id,
        name=entry.name,
        scenes=tuple(scenes),
        mean=sum(alike) / len(alike) if alike else None,
        pending=len(seen) - len(scenes) - len(notes),
        nothing=nothing,
        notes=notes,
    )


def _scored(seen: Sighting, take: Measurement, picture: Measurement, scale: Calibration) -> EntryScene:
    from pipeline.continuity.measurement import PRESENT, presence, similarity

    shown, (look,) = take.regions[seen.mention], picture.regions
    there = presence(scale, shown)
    return EntryScene(
        scene=seen.scene.id,
        number=seen.number,
        presence=there,
        similarity=similarity(scale, look, shown) if there >= PRESENT else None,
        picture=seen.anchor.picture.id,
        last_seen=seen.anchor.last_seen,
    )
