"""Two questions that the films of the benchmark do not ask, with stories of their own.

Each story is A at x, then B at x: of the second scene the place is remembered and nothing of the actor. It asks whether
B takes on looks of A all the same, and what else changes when one word of a scene changes and its noise does not.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

from ...picturebook import renderer
from ...picturebook.captions import GARMENT, caption
from ...picturebook.reader import ClipReader, Reading
from ...picturebook.world import (
    PLACE_SLOTS,
    PLACES,
    PREPOSITION,
    SLOT_VALUES,
    Actor,
    WorldScene,
    draw_actor,
    draw_names,
    draw_place,
    draw_scene,
    slot_values,
)
from ..common.statistics import Tally, total
from .benchmark import FilmScore, HeldOut, Judge, StoryScore
from .filming import FilmedScene, Filming, Script
from .measures import agreement, shared_slots, unsaid_slots
from .systems import SYSTEMS

PROBE_MEASURES = ("cross_talk_unremembered", "stays", "stays_other_seed", "changes")
CHANGES = ("look", "action", "place")  # the sorts of words that change
STAYS_PARTS = (  # `stays` and `changes`, taken apart
    "stays_actors",
    "stays_places",
    *(f"stays_{sort}_changed" for sort in CHANGES),
    *(f"changes_{sort}" for sort in CHANGES),
)
ONE_WORD_ACTIONS = ("running", "walking", "jumping", "waving", "dancing", "skiing")
SAYABLE = {
    "person": ("top", "bottom", "hat", "hair"),
    "cat": ("top", "bottom", "hat"),
    "dog": ("top", "bottom", "hat"),
    "robot": ("hat",),
}


@dataclass(frozen=True)
class PromptEdit:
    """A scene before and after one word of its prompt changes. changed: a slot of the actor's look, "action" or
    "place"."""

    changed: str
    before: WorldScene
    after: WorldScene

    @property
    def sort(self) -> str:
        """One of CHANGES."""
        return self.changed if self.changed in CHANGES else "look"

    @property
    def prompts(self) -> tuple[str, str]:
        return prompt_of(self.before, self.changed), prompt_of(self.after, self.changed)

    @property
    def actor_slots(self) -> tuple[str, ...]:
        """What the prompts leave unsaid of the actor."""
        return tuple(slot for slot in unsaid_slots(self.before.cast[0]) if slot != self.changed)

    @property
    def place_slots(self) -> tuple[str, ...]:
        """What they leave unsaid of the place: nothing that could be compared if it is another place afterwards."""
        return () if self.changed == "place" else PLACE_SLOTS


@dataclass(frozen=True)
class ProbeStory:
    """edits: of A at x and of B at x. seeds: of the noise of the two scenes; other_seeds: for the control."""

    edits: tuple[PromptEdit, PromptEdit]
    seeds: tuple[int, int]
    other_seeds: tuple[int, int]

    @property
    def scripts(self) -> dict[str, Script]:
        """What is filmed; the scene in question is the last one of each."""
        (a, a_after), (b, b_after) = (edit.prompts for edit in self.edits)
        (s, t), (other_s, other_t) = self.seeds, self.other_seeds
        return {
            "first": Script((a,), (s,)),
            "first, a word changed": Script((a, a_after), (s, s), edited=True),
            "first, another seed": Script((a,), (other_s,)),
            "second": Script((a, b), (s, t)),
            "second, a word changed": Script((a, b, b_after), (s, t, t), edited=True),
            "second, another seed": Script((a, b), (s, other_t)),
        }


# Stories


def probe_story(index: int, domain: str) -> ProbeStory:
    rng = random.Random(f"probes/{domain}/{index}")
    actors = [draw_actor(rng, name) for name in draw_names(rng, 2)]
    place = draw_place(rng, rng.choice(PLACES))
    first, second = (draw_edit(rng, draw_scene(rng, (actor,), place)) for actor in actors)
    seeds = [rng.getrandbits(31) for _ in range(4)]
    return ProbeStory((first, second), (seeds[0], seeds[1]), (seeds[2], seeds[3]))


def draw_edit(rng: random.Random, scene: WorldScene) -> PromptEdit:
    """A look that is said, the action or the place, each in a third of the cases; before and after are drawn anew."""
    sort, actor = rng.choice(CHANGES), scene.cast[0]
    if sort == "action":
        before, after = (replace(scene, actions=(action,)) for action in rng.sample(ONE_WORD_ACTIONS, 2))
        return PromptEdit("action", before, after)
    if sort == "place":
        kind = scene.place.kind
        others = [other for other in PLACES if other != kind and PREPOSITION[other] == PREPOSITION[kind]]
        return PromptEdit("place", scene, replace(scene, place=replace(scene.place, kind=rng.choice(others))))
    slot = rng.choice(SAYABLE[actor.kind])
    before, after = (
        replace(scene, cast=(replace(actor, look=replace(actor.look, **{slot: value})),))
        for value in rng.sample(sayable_values(actor, slot), 2)
    )
    return PromptEdit(slot, before, after)


def sayable_values(actor: Actor, slot: str) -> list[str]:
    """Those that differ by one word in a sentence, which "a red coat" and "an orange coat" do not."""
    return [value for value in slot_values(actor.kind, slot) if value != "none" and value[0] not in "aeiou"]


def prompt_of(scene: WorldScene, said: str) -> str:
    """The plain caption, which says no look, with that of the slot `said` if it is one of the actor's."""
    plain, actor = caption(scene, random.Random(0), plain=True), scene.cast[0]
    if said not in SAYABLE[actor.kind]:
        return plain.text
    (end,) = (span.end for span in plain.spans if span.label == "actor 0")
    return f"{plain.text[:end]} {phrase(actor, said)}{plain.text[end:]}"


def phrase(actor: Actor, slot: str) -> str:
    value = getattr(actor.look, slot)
    if slot == "top":
        return f"in a {value} {GARMENT[actor.kind]}"
    if slot == "hat":
        return f"with a {value} {'lamp' if actor.kind == 'robot' else 'hat'}"
    return f"in {value} trousers" if slot == "bottom" else f"with {value} hair"


# Measures


def unremembered_slots(story: ProbeStory) -> tuple[str, ...]:
    """Unsaid slots of B in which it can look as A does."""
    first, second = story.edits
    shared = shared_slots(first.before.cast[0], second.before.cast[0])
    return tuple(slot for slot in shared if slot in second.actor_slots)


def cross_talk_tally(story: ProbeStory, first: Reading, second: Reading) -> Tally:
    """Looks of B that are as A's were, though nothing of B was seen before; some are by chance. Where both are sure."""
    if not (first.sure and second.sure):
        return Tally()
    return agreement(second.actor, first.actor, unremembered_slots(story))


def stays_tallies(edit: PromptEdit, before: Reading, after: Reading) -> tuple[Tally, Tally]:
    """Unsaid facts that agree: of the actor, where the reader is sure of it before and after, and of the place."""
    actor = agreement(before.actor, after.actor, edit.actor_slots if before.sure and after.sure else ())
    return actor, agreement(before.place, after.place, edit.place_slots)


def stays_tally(edit: PromptEdit, before: Reading, after: Reading) -> Tally:
    return total(stays_tallies(edit, before, after))


def changes_tally(edit: PromptEdit, after: Reading) -> Tally:
    """Whether what was asked came: what the changed word says. Nobody shows it whom the reader can't see."""
    if edit.changed == "place":
        return Tally(after.place["kind"] == edit.after.place.kind, 1)
    actor = edit.after.cast[0]
    asked = edit.after.actions[0] if edit.changed == "action" else getattr(actor.look, edit.changed)
    return Tally(after.sure and after.actor[edit.changed] == asked, 1)


def probe_tallies(story: ProbeStory, read: Mapping[str, Reading]) -> dict[str, Tally]:
    """read: what the reader says of the last scene of every script."""

    scenes = list(zip(("first", "second"), story.edits, strict=True))
    stayed = [(edit, *stays_tallies(edit, read[name], read[f"{name}, a word changed"])) for name, edit in scenes]
    others = [stays_tally(edit, read[name], read[f"{name}, another seed"]) for name, edit in scenes]
    came = [(edit, changes_tally(edit, read[f"{name}, a word changed"])) for name, edit in scenes]
    found = {
        "cross_talk_unremembered": cross_talk_tally(story, read["first"], read["second"]),
        "stays": total(actor + place for _, actor, place in stayed),
        "stays_other_seed": total(others),
        "changes": total(tally for _, tally in came),
        "stays_actors": total(actor for _, actor, _ in stayed),
        "stays_places": total(place for _, _, place in stayed),
    }
    for sort in CHANGES:
        found[f"stays_{sort}_changed"] = total(a + p for edit, a, p in stayed if edit.sort == sort)
    return found | {f"changes_{sort}": total(tally for edit, tally in came if edit.sort == sort) for sort in CHANGES}


def probe_chance(story: ProbeStory) -> dict[str, Tally]:
    """For a system that draws every look anew: exact. Two draws from n equally likely values agree once in n times."""
    kinds = [edit.before.cast[0].kind for edit in story.edits]
    cross_talk = total(_same(*(slot_values(kind, slot) for kind in kinds)) for slot in unremembered_slots(story))
    stays = Tally()
    for kind, edit in zip(kinds, story.edits, strict=True):
        stays += total(_same(slot_values(kind, slot), slot_values(kind, slot)) for slot in edit.actor_slots)
        stays += total(_same(SLOT_VALUES[slot], SLOT_VALUES[slot]) for slot in edit.place_slots)
    return {"cross_talk_unremembered": cross_talk, "stays": stays, "stays_other_seed": stays}


def _same(a: Sequence[str], b: Sequence[str]) -> Tally:
    pairs = list(product(a, b))
    return Tally(sum(x == y for x, y in pairs) / len(pairs), 1)


def probe_ceiling(story: ProbeStory, reader: ClipReader) -> dict[str, Tally]:
    """Of rendered clips, whose looks stay and are nobody else's: what the reader gets wrong, and what A and B have in
    common by chance."""
    scenes = [scene for edit in story.edits for scene in (edit.before, edit.after)]
    first, first_after, second, second_after = reader.read([renderer.render(s, masks=False).frames for s in scenes])
    stays = stays_tally(story.edits[0], first, first_after) + stays_tally(story.edits[1], second, second_after)
    return {"cross_talk_unremembered": cross_talk_tally(story, first, second), "stays": stays}


def score_probes(filming: Filming, judge: Judge, stories: Sequence[HeldOut], names: Sequence[str]) -> list[StoryScore]:
    """Films and scores a few stories by the named systems."""
    drawn = [probe_story(held_out.index, held_out.domain) for held_out in stories]
    scripts = [script for story in drawn for script in story.scripts.values()]
    films = iter(filming.films(scripts, {name: SYSTEMS[name] for name in names}))
    own = [dict(zip(story.scripts, islice(films, len(story.scripts)), strict=True)) for story in drawn]
    return [score_probe(judge, story, films) for story, films in zip(drawn, own, strict=True)]


def score_probe(judge: Judge, story: ProbeStory, films: Mapping[str, Mapping[str, list[FilmedScene]]]) -> StoryScore:
    """films: of every script, of every system."""
    controls = {"ceiling": probe_ceiling(story, judge.reader), "chance": probe_chance(story)}
    scores = {name: FilmScore(tallies) for name, tallies in controls.items()}
    for name in next(iter(films.values())):
        readings = judge.reader.read([film[name][-1].frames for film in films.values()])
        scores[name] = FilmScore(probe_tallies(story, dict(zip(films, readings, strict=True))))
    return scores
