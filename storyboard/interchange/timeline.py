"""The film of a board as an OpenTimelineIO timeline: the same cuts, in order and to the frame.

Editors know few rates; the timeline has the smallest of them that is a multiple of the film's, so that each of its
frames is a whole number of the timeline's. Its clips are the film's parts: cards, and of each take what is in the film,
at its speed, with its last frame held. Parts of a cross-fade share frames: each clip is trimmed to the middle of
what is shared, and the rest are the handles that the dissolve needs. A dip to black is a fade out, the black frames
that the film has there, and a fade in.

Does not cover: sound; captions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from pipeline.errors import ThroughlineError

from ..document.story import Board
from ..film.cut import Cut, FilmCard, FilmScene, Passage, cut_of
from .shots import clean, clip_name

EDITING_RATES = (24, 25, 30, 48, 50, 60)  # frames a second
OURS = "throughline"  # where OTIO keeps what is ours
DISSOLVE = otio.schema.TransitionTypes.SMPTE_Dissolve
START_SECONDS = 3600  # timelines begin at 01:00:00:00, as is the custom


@dataclass(frozen=True)
class Conformed:
    """A cut at the rate of an editor. factor: how many of its frames one of the film's lasts."""

    cut: Cut
    rate: int
    factor: int

    @property
    def lengths(self) -> list[int]:
        """Frames of each part's clip."""
        return [length * self.factor for length in self.cut.part_lengths]

    @property
    def passages(self) -> list[Passage]:
        """How each part follows the one before it, in frames."""
        return [Passage(*(frames * self.factor for frames in seam)) for seam in self.cut.passages]

    def name(self, part: FilmScene | FilmCard) -> str:
        """What a part's clip is called, without an ending."""
        if isinstance(part, FilmScene):
            return clip_name(part.number, self.cut)
        return "title" if part is self.cut.title else "end"


def conformed(board: Board) -> Conformed:
    """Raises ThroughlineError for a story without a take."""
    cut = cut_of(board)
    if not cut.shots:
        raise ThroughlineError(f"story {board.story.title!r} has no clip yet: expected at least one rendered scene")
    multiples = [rate for rate in EDITING_RATES if (rate / cut.frames_per_second).is_integer()]
    if multiples:
        return Conformed(cut, multiples[0], round(multiples[0] / cut.frames_per_second))
    rate = next((rate for rate in EDITING_RATES if rate >= cut.frames_per_second), EDITING_RATES[-1])
    return Conformed(replace(cut, frames_per_second=rate), rate, 1)


def timeline_of(board: Board, media: str = "media/") -> otio.schema.Timeline:
    """A timeline of one video track. media: where the clips lie, as seen from the file. Raises as `conformed` does."""
    found = conformed(board)
    track = otio.schema.Track(name="Film", kind=otio.schema.TrackKind.Video)
    track.extend(_items(board, found, media))
    timeline = otio.schema.Timeline(name=clean(board.story.title) or "Film")
    timeline.global_start_time = RationalTime(START_SECONDS * found.rate, found.rate)
    timeline.metadata[OURS] = {"story": board.story.id, "frames_per_second": found.cut.frames_per_second}
    timeline.tracks.append(track)
    return timeline


def _items(board: Board, found: Conformed, media: str) -> Iterator[otio.core.Composable]:
    passages = [*found.passages, Passage(0, 0, 0)]
    for part, length, before, after in zip(found.cut.parts, found.lengths, passages[:-1], passages[1:], strict=True):
        yield from _seam(before, found)
        start = before.shared // 2
        end = length - (after.shared - after.shared // 2) - _black(after, found)
        yield _clip(found, part, length, (start, end), media)


def _black(seam: Passage, found: Conformed) -> int:
    """Frames of a dip that are black, at the end of what fades out."""
    return found.factor if seam.out and not seam.shared else 0


def _seam(seam: Passage, found: Conformed) -> Iterator[otio.core.Composable]:
    """What lies between two clips."""
    if seam.shared:
        half = seam.shared // 2
        yield _transition("Cross Dissolve", half, seam.shared - half, found.rate)
    elif seam.out or seam.into:
        black = _black(seam, found)
        if seam.out > black:
            yield _transition("Fade Out", seam.out - black, 0, found.rate)
        if black:
            yield otio.schema.Gap(source_range=_range(0, black, found.rate))
        if seam.into:
            yield _transition("Fade In", 0, seam.into, found.rate)


def _transition(name: str, before: int, after: int, rate: int) -> otio.schema.Transition:
    """before, after: frames of it on both sides of the cut."""
    return otio.schema.Transition(name, DISSOLVE, RationalTime(before, rate), RationalTime(after, rate))


def _clip(
    found: Conformed, part: FilmScene | FilmCard, length: int, used: tuple[int, int], media: str
) -> otio.schema.Clip:
    """length: frames of the file; used: from the first of them that is shown to the one after the last."""
    name, about = found.name(part), _about(part)
    file = otio.schema.ExternalReference(f"{media}{name}.mp4", _range(0, length, found.rate))
    file.name = name
    clip = otio.schema.Clip(name=name, media_reference=file, source_range=_range(used[0], used[1], found.rate))
    clip.metadata[OURS] = about
    clip.markers.append(otio.schema.Marker(about["prompt"][:200], _range(used[0], used[0] + 1, found.rate)))
    return clip


def _about(part: FilmScene | FilmCard) -> dict[str, Any]:
    """What OTIO keeps of a part; prompt: what a card says."""
    if isinstance(part, FilmCard):
        return {"prompt": clean(part.card.text)}
    scene, take = part.scene, part.take
    return {
        "scene": scene.id,
        "number": part.number,
        "prompt": clean(scene.prompt),
        "take": take.id,
        "source": take.source,
        "seed": take.seed,
        "steps": take.steps,
        "shot": scene.shot.model_dump(mode="json"),
        "script": scene.script.model_dump(mode="json"),
    }


def _range(start: int, end: int, rate: int) -> TimeRange:
    return TimeRange(RationalTime(start, rate), RationalTime(end - start, rate))
