"""The measures: what the reader says of the scenes of a story, counted (docs/benchmark.md).

A story of the benchmark has one actor a scene, and its captions say nothing of anybody's look. Readings of two
appearances are compared with one another, not with the rendered truth: a generated actor may look like anything, but
always the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise

from ...picturebook.reader import Reading
from ...picturebook.world import (
    ACTOR_SLOTS,
    BOYS,
    GIRLS,
    PLACE_SLOTS,
    Actor,
    Place,
    WorldScene,
    WorldStory,
    slot_values,
)
from ..common.statistics import Tally, total

MEASURES = ("actor", "place", "cross_talk", "prompt", "presence", "motion", "pointing", "pointing_generated")


def unsaid_slots(actor: Actor) -> tuple[str, ...]:
    """Slots of the look of `actor` that exist for its kind and that its name does not tell: Mia has long hair."""
    named = actor.name in GIRLS or actor.name in BOYS
    exist = (slot for slot in ACTOR_SLOTS if slot_values(actor.kind, slot) != ("",))
    return tuple(slot for slot in exist if not (named and slot == "hair_style"))


def shared_slots(a: Actor, b: Actor) -> tuple[str, ...]:
    """Unsaid slots of both in which they can look the same."""
    both = (slot for slot in unsaid_slots(a) if slot in unsaid_slots(b))
    return tuple(s for s in both if set(slot_values(a.kind, s)) & set(slot_values(b.kind, s)))


def actor_appearances(story: WorldStory) -> dict[Actor, list[int]]:
    """The scenes of each actor, in order. Scenes with two actors are left out: the reader reads lone ones."""
    scenes: dict[Actor, list[int]] = {}
    for index, scene in enumerate(story.scenes):
        if len(scene.cast) == 1:
            scenes.setdefault(scene.cast[0], []).append(index)
    return scenes


def place_appearances(story: WorldStory) -> dict[Place, list[int]]:
    scenes: dict[Place, list[int]] = {}
    for index, scene in enumerate(story.scenes):
        scenes.setdefault(scene.place, []).append(index)
    return scenes


def agreement(a: dict[str, str], b: dict[str, str], slots: Iterable[str]) -> Tally:
    return total(Tally(a[slot] == b[slot], 1) for slot in slots)


def actor_tally(story: WorldStory, readings: Sequence[Reading]) -> Tally:
    """Unsaid attributes that agree, over all pairs of appearances of an actor; the reader must be sure it is there."""
    return total(
        agreement(readings[i].actor, readings[j].actor, unsaid_slots(actor))
        for actor, scenes in actor_appearances(story).items()
        for i, j in combinations(scenes, 2)
        if readings[i].sure and readings[j].sure
    )


def gap_tallies(story: WorldStory, readings: Sequence[Reading]) -> dict[int, Tally]:
    """As `actor_tally`, of each appearance with the one before it, by the number of scenes from one to the other."""
    gaps: dict[int, Tally] = {}
    for actor, scenes in actor_appearances(story).items():
        for i, j in pairwise(scenes):
            if readings[i].sure and readings[j].sure:
                agreed = agreement(readings[i].actor, readings[j].actor, unsaid_slots(actor))
                gaps[j - i] = gaps.get(j - i, Tally()) + agreed
    return gaps


def place_tally(story: WorldStory, readings: Sequence[Reading]) -> Tally:
    """The four slots of a place that agree, over all pairs of its appearances."""
    pairs = (pair for scenes in place_appearances(story).values() for pair in combinations(scenes, 2))
    return total(agreement(readings[i].place, readings[j].place, PLACE_SLOTS) for i, j in pairs)


def returns(story: WorldStory) -> Iterator[tuple[Actor, int, int, Actor, int]]:
    """(actor, its first scene, a later scene of it, another actor, the first scene of that one, before the later)."""
    appearances = actor_appearances(story)
    for actor, (first, *later) in appearances.items():
        for again in later:
            for other, scenes in appearances.items():
                if other != actor and scenes[0] < again:
                    yield actor, first, again, other, scenes[0]


def cross_talk_tally(story: WorldStory, readings: Sequence[Reading]) -> Tally:
    """How often an actor comes back in the look of another one.

    In ABBA: of A in scene 4, the attributes in which A (scene 1) and B (scene 2) were shown differently; the share that
    is now as B's was. The same of B in scene 3 against A in scene 1. Only where the reader is sure in all three scenes.
    """
    tally = Tally()
    for actor, first, again, other, others_first in returns(story):
        own, now, theirs = readings[first], readings[again], readings[others_first]
        if own.sure and now.sure and theirs.sure:
            differ = [slot for slot in shared_slots(actor, other) if own.actor[slot] != theirs.actor[slot]]
            tally += agreement(now.actor, theirs.actor, differ)
    return tally


def says_prompt(scene: WorldScene, reading: Reading) -> bool:
    """Whether action, kind of place, and cast (number and kind of actors) are all what the prompt says."""
    assert len(scene.cast) == 1, "the reader reads the kind and the action of a lone actor"
    actor = reading.actor["kind"] == scene.cast[0].kind and reading.actor["action"] == scene.actions[0]
    return reading.number == 1 and actor and reading.place["kind"] == scene.place.kind


def prompt_tally(story: WorldStory, readings: Sequence[Reading], since: int = 0) -> Tally:
    pairs = list(zip(story.scenes, readings, strict=True))[since:]
    return total(Tally(says_prompt(scene, reading), 1) for scene, reading in pairs)


def presence_tally(readings: Sequence[Reading], since: int = 0) -> Tally:
    return total(Tally(reading.sure, 1) for reading in readings[since:])


def motion_tally(energies: Sequence[float], rendered: Sequence[float], since: int = 0) -> Tally:
    """Motion energy of the scenes over that of the rendered clips of the same scenes."""
    return Tally(sum(energies[since:]), sum(rendered[since:]))
