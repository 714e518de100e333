"""The truth about rendered scenes as integers: what every patch of a keyframe shows, and what every entity looks
like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import world

GRID = 12  # patches a side that the image encoder sees
PLACE, NOTHING = 0, -1

ACTOR_FACTS: dict[str, tuple[str, ...]] = {
    "kind": world.KINDS,
    "action": world.ACTIONS,
    **{slot: world.SLOT_VALUES[slot] for slot in world.ACTOR_SLOTS},
}
PLACE_FACTS: dict[str, tuple[str, ...]] = {
    "kind": world.PLACES,
    **{slot: world.SLOT_VALUES[slot] for slot in world.PLACE_SLOTS},
}


def actor_facts(scene: world.WorldScene, index: int) -> list[int]:
    """Indices into ACTOR_FACTS, in its order."""
    actor = scene.cast[index]
    facts = {"kind": actor.kind, "action": scene.actions[index], **vars(actor.look)}
    return [values.index(facts[name]) for name, values in ACTOR_FACTS.items()]


def place_facts(scene: world.WorldScene) -> list[int]:
    facts = {"kind": scene.place.kind, **vars(scene.place.look)}
    return [values.index(facts[name]) for name, values in PLACE_FACTS.items()]


@dataclass(frozen=True)
class Truth:
    """actors: int64 (N, 2, facts), -1 where there is no such actor. places: int64 (N, facts). coverage: float32 (N,
    3, GRID * GRID), the share of each patch that is place, first and second actor with their things."""

    actors: np.ndarray
    places: np.ndarray
    coverage: np.ndarray

    @property
    def owner(self) -> np.ndarray:
        """int64 (N, GRID * GRID): 0 place, 1 and 2 the actors; -1 where nobody clearly owns the patch."""
        owner = np.full(self.coverage[:, 0].shape, NOTHING, np.int64)
        owner[self.coverage[:, 0] > 0.9] = PLACE
        for i in (1, 2):
            owner[self.coverage[:, i] > 0.4] = i
        return owner


def truth_of(scenes: list[world.WorldScene], masks: np.ndarray) -> Truth:
    """scenes: N; masks: uint8 (N, H, W), labels of the renderer on the keyframe."""
    actors = np.full((len(scenes), 2, len(ACTOR_FACTS)), NOTHING, np.int64)
    for row, scene in enumerate(scenes):
        for i in range(len(scene.cast)):
            actors[row, i] = actor_facts(scene, i)
    places = np.array([place_facts(scene) for scene in scenes], np.int64)
    owners = (masks + 1) // 2  # things belong to their actor
    coverage = np.stack([patch_coverage(owners == i) for i in range(3)], axis=1)
    return Truth(actors, places, coverage)


def patch_coverage(mask: np.ndarray) -> np.ndarray:
    """bool (N, H, W) to float32 (N, GRID * GRID): the share of every patch that the mask covers."""
    n, height, width = mask.shape
    tiles = mask.reshape(n, GRID, height // GRID, GRID, width // GRID)
    return tiles.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1)
