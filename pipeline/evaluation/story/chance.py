"""What each measure is by chance: exact, from the distributions that looks, actions and places are drawn from."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, product

from ...picturebook import world
from ...picturebook.world import ACTIONS, PLACE_SLOTS, PLACES, SLOT_VALUES, Actor, WorldStory
from ..common.statistics import Tally, total
from .measures import actor_appearances, place_appearances, returns, shared_slots, unsaid_slots

PROTOCOLS = {"abba": world.abba_story, "long": world.long_story}
NAMES_DRAWN = 2000  # stories from which the kinds of actors are counted


def chance_tallies(story: WorldStory, protocol: str) -> dict[str, Tally]:
    """For a system that draws every scene anew, blind to prompts and past; presence, motion: it makes no sense."""
    return {
        "actor": _actor(story),
        "place": _place(story),
        "cross_talk": total(_cross_talk(actor, other) for actor, _, _, other, _ in returns(story)),
        "prompt": _prompt(story, protocol),
    }


def _actor(story: WorldStory) -> Tally:
    """Two draws from n equally likely values agree once in n times."""
    return total(
        Tally(1 / len(world.slot_values(actor.kind, slot)), 1)
        for actor, scenes in actor_appearances(story).items()
        for _ in combinations(scenes, 2)
        for slot in unsaid_slots(actor)
    )


def _place(story: WorldStory) -> Tally:
    pairs = sum(len(list(combinations(scenes, 2))) for scenes in place_appearances(story).values())
    return Tally(pairs * sum(1 / len(SLOT_VALUES[slot]) for slot in PLACE_SLOTS), pairs * len(PLACE_SLOTS))


def _cross_talk(actor: Actor, other: Actor) -> Tally:
    """The share of (own, other's, new) values, own ≠ other's, in which the new one is the other's."""
    tally = Tally()
    for slot in shared_slots(actor, other):
        own, theirs = world.slot_values(actor.kind, slot), world.slot_values(other.kind, slot)
        cases = [(b, new) for a, b, new in product(own, theirs, own) if a != b]
        tally += Tally(sum(b == new for b, new in cases) / len(cases), 1)
    return tally


def _prompt(story: WorldStory, protocol: str) -> Tally:
    shares = kind_shares(protocol)
    return total(Tally(shares[s.cast[0].kind] / len(ACTIONS) / len(PLACES), 1) for s in story.scenes)


@lru_cache
def kind_shares(protocol: str) -> dict[str, float]:
    """How often the actor of a scene is of each kind, counted over drawn stories."""
    drawn = (PROTOCOLS[protocol](seed, "chance") for seed in range(NAMES_DRAWN))
    kinds = [scene.cast[0].kind for story in drawn for scene in story.scenes]
    return {kind: kinds.count(kind) / len(kinds) for kind in world.KINDS}
