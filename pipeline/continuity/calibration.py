"""What the continuity meter's raw figures mean: measured on rendered picture-book clips, whose truth is known.

Works for every backbone, since it only needs its encoders; takes some seconds once a model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..picturebook import captions, renderer, world
from ..picturebook.captions import Caption
from .measurement import Calibration, Gauge, Measurement, Region, Sight, Span, look_cosine

FRAMES = (2, 8, 14)  # of 17: where the gauge looks in a clip
RIDGE = 0.05  # of the gate


@dataclass(frozen=True, eq=False)
class Presence:
    """A mention in a rendered clip. there: whether the clip shows it; case: "actor", "place", and for what is not
    there "nobody", "another kind", "another place"."""

    region: Region
    case: str
    there: bool


@dataclass(frozen=True, eq=False)
class Pair:
    """The same mention in two rendered clips. share: of what can differ in its look, how much agrees."""

    first: Region
    again: Region
    case: str  # "actor" or "place"
    share: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one drawn example says. own, other: clips read with their own prompt and with another one's."""

    pairs: tuple[Pair, ...]
    sights: tuple[Presence, ...]
    own: Measurement
    other: Measurement


def draw(gauge: Gauge, index: int, domain: str, share: float | None = None) -> Evidence:
    """Draws A at x, A at y and B at x, where A and x may have changed in looks, and x with nobody in it.

    share: how much of the looks stays the same; None for any share.
    """
    rng = random.Random(f"continuity/{domain}/{index}")
    a, b = (world.draw_actor(rng, name) for name in world.draw_names(rng, 2))
    x, y = (world.draw_place(rng, kind) for kind in rng.sample(world.PLACES, 2))
    changed, actor_share = change_actor(rng, a, rng.random() if share is None else share)
    moved, place_share = change_place(rng, x, rng.random() if share is None else share)
    scenes = [world.draw_scene(rng, (a,), x), world.draw_scene(rng, (changed,), y), world.draw_scene(rng, (b,), moved)]
    empty = world.WorldScene((), (), x, rng.getrandbits(32))
    first, again, there = (captions.caption(scene, rng, plain=rng.random() < 0.5) for scene in scenes)
    clips = [gauge.see(renderer.render(scene, masks=False, frames=FRAMES).frames) for scene in (*scenes, empty)]
    one = _read(gauge, clips[0], first, "actor 0", "place")
    two = _read(gauge, clips[1], again, "actor 0")
    three = _read(gauge, clips[2], there, "place")
    elsewhere = _read(gauge, clips[1], first, "place")
    sights = [
        (one, 0, "actor", True),
        (one, 1, "place", True),
        (two, 0, "actor", True),
        (three, 0, "place", True),
        (_read(gauge, clips[3], first, "actor 0"), 0, "nobody", False),
        (elsewhere, 0, "another place", False),
    ]
    if b.kind != a.kind:
        sights.append((_read(gauge, clips[2], first, "actor 0"), 0, "another kind", False))
    pairs = (
        Pair(one.regions[0], two.regions[0], "actor", actor_share),
        Pair(one.regions[1], three.regions[0], "place", place_share),
    )
    return Evidence(
        pairs,
        tuple(Presence(r.regions[i], case, there) for r, i, case, there in sights),
        one,
        _read(gauge, clips[1], there),
    )


def change_actor(rng: random.Random, actor: world.Actor, share: float) -> tuple[world.Actor, float]:
    """`actor` with about 1 - share of what can differ in its look changed, and the share that is left."""
    slots = [slot for slot in world.ACTOR_SLOTS if len(world.slot_values(actor.kind, slot)) > 1]
    look = dict(vars(actor.look))
    for slot in (drawn := rng.sample(slots, round((1 - share) * len(slots)))):
        look[slot] = rng.choice([value for value in world.slot_values(actor.kind, slot) if value != look[slot]])
    return replace(actor, look=world.ActorLook(**look)), 1 - len(drawn) / len(slots)


def change_place(rng: random.Random, place: world.Place, share: float) -> tuple[world.Place, float]:
    """The same for a place."""
    look = dict(vars(place.look))
    for slot in (drawn := rng.sample(world.PLACE_SLOTS, round((1 - share) * len(world.PLACE_SLOTS)))):
        look[slot] = rng.choice([value for value in world.SLOT_VALUES[slot] if value != look[slot]])
    return replace(place, look=world.PlaceLook(**look)), 1 - len(drawn) / len(world.PLACE_SLOTS)


def _read(gauge: Gauge, seen: Sight, caption: Caption, *labels: str) -> Measurement:
    spans: list[list[Span]] = [[(s.start, s.end) for s in caption.spans if s.label == label] for label in labels]
    return gauge.compare(seen, caption.text, spans)


# The scales


def calibrate(gauge: Gauge, stories: int = 40, domain: str = "calibration") -> Calibration:
    """Draws `stories` examples, half with the same looks and half with others, and reads the scales off them."""
    drawn = [draw(gauge, index, domain, share=index % 2) for index in range(stories)]
    sights = [sight for evidence in drawn for sight in evidence.sights]
    centre = np.mean([sight.region.look for sight in sights if sight.there], axis=0)
    other, own = _mean(e.other.prompt for e in drawn), _mean(e.own.prompt for e in drawn)
    rough = Calibration(centre, 0.0, 1.0, _gate(sights), other, own)
    pairs = [pair for evidence in drawn for pair in evidence.pairs]
    different, same = (
        _mean(look_cosine(rough, pair.first, pair.again) for pair in pairs if pair.share == share) for share in (0, 1)
    )
    return replace(rough, different=different, same=same)


def _mean(values: Iterator[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else 0.0


def _gate(sights: Sequence[Presence]) -> tuple[float, ...]:
    """Logistic regression of being there on the evidence, by Newton's method; both outcomes weigh the same."""
    x, y = np.array([sight.region.evidence for sight in sights]), np.array([float(sight.there) for sight in sights])
    mean, spread = x.mean(0), np.maximum(x.std(0), 1e-6)
    z = np.column_stack([(x - mean) / spread, np.ones(len(x))])
    weight, balance = np.zeros(4), np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(z @ weight, -30, 30)))
        slope = z.T @ (balance * (p - y)) + RIDGE * weight
        curve = (z * (balance * p * (1 - p))[:, None]).T @ z + RIDGE * np.eye(4)
        weight = weight - np.linalg.solve(curve, slope)
    return (*mean.tolist(), *spread.tolist(), *weight.tolist())
