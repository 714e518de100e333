"""The picture-book world in words: who and what there is, what it may look like, and stories drawn from a seed.

Nothing here draws; `renderer.py` does. What a caption leaves unsaid (the *look* of an actor or a place) is random per
story and fixed within a story, so only memory can get it right.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 62, 52),
    "orange": (242, 146, 46),
    "yellow": (250, 212, 72),
    "green": (66, 160, 88),
    "blue": (52, 112, 204),
    "purple": (142, 84, 180),
    "white": (247, 244, 236),
    "black": (58, 56, 68),
}
SKINS = {"fair": (255, 222, 184), "tan": (230, 176, 120), "brown": (168, 108, 66), "dark": (112, 70, 46)}
FURS = {"ginger": (232, 150, 80), "grey": (158, 160, 172), "cream": (244, 228, 198), "brown": (140, 98, 70)}
METALS = {"silver": (196, 204, 214), "gold": (226, 186, 84), "copper": (206, 126, 88), "teal": (98, 176, 176)}
HAIRS = {"black": (48, 42, 50), "brown": (124, 78, 46), "blond": (246, 214, 122), "ginger": (214, 104, 50)}
HAT_COLOURS = ("red", "yellow", "green", "blue", "purple")
HAIR_STYLES = ("long", "short")

KINDS = ("person", "cat", "dog", "robot")
SKIN_OF_KIND = {"person": SKINS, "cat": FURS, "dog": FURS, "robot": METALS}

PLACES = ("playground", "snow", "beach", "forest", "street", "kitchen", "desert", "farm")
PREPOSITION = {p: "in" for p in PLACES} | dict.fromkeys(("playground", "snow", "beach", "street", "farm"), "on")
TIMES = ("day", "dusk", "night")
SIDES = ("left", "right")

SHOTS = ("wide", "medium", "close")  # how large figures are

ACTIONS = ("running", "walking", "jumping", "waving", "dancing", "skiing", "cycling", "playing")

GIRLS = ("Mia", "Lena", "Ada", "Zoe", "Nora", "Priya")
BOYS = ("Tom", "Omar", "Leo", "Max", "Ben", "Kofi")


@dataclass(frozen=True)
class ActorLook:
    """What can be seen of an actor; every value is a name from the tables above ("none" where there is no such
    thing)."""

    top: str  # coat, sweater or body plate
    bottom: str  # trousers or legs
    skin: str  # skin, fur or metal
    hat: str  # hat (person, cat, dog: may be "none") or the lamp on a robot's head
    hair: str  # people only
    hair_style: str  # people only

    def visible(self) -> dict[str, str]:
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != ""}


@dataclass(frozen=True)
class PlaceLook:
    """What can be seen of a place: time of day, colours of its two landmarks, and the side of the first one."""

    time: str
    main: str
    second: str
    side: str


@dataclass(frozen=True)
class Actor:
    kind: str
    name: str  # as captions call it: "Actor 1", "Mia", "cat"
    look: ActorLook


@dataclass(frozen=True)
class Place:
    kind: str
    look: PlaceLook


@dataclass(frozen=True)
class WorldScene:
    """One scene of a story: who does what where. `seed` decides positions and the phase of the motion."""

    cast: tuple[Actor, ...]  # the one named first stands on the left
    actions: tuple[str, ...]  # one per actor
    place: Place
    seed: int
    shot: str = ""  # one of SHOTS, or "": medium, and no caption says so


@dataclass(frozen=True)
class WorldStory:
    scenes: tuple[WorldScene, ...]
    seed: int


ACTOR_SLOTS = tuple(f.name for f in fields(ActorLook))
PLACE_SLOTS = tuple(f.name for f in fields(PlaceLook))
# The values a slot can take, over all kinds; "" stands for "this kind has no such thing".
SLOT_VALUES: dict[str, tuple[str, ...]] = {
    "top": tuple(COLOURS),
    "bottom": tuple(COLOURS),
    "skin": (*SKINS, *FURS, *METALS),
    "hat": ("none", *HAT_COLOURS),
    "hair": ("", *HAIRS),
    "hair_style": ("", *HAIR_STYLES),
    "time": TIMES,
    "main": tuple(COLOURS),
    "second": tuple(COLOURS),
    "side": SIDES,
}


def slot_values(kind: str, slot: str) -> tuple[str, ...]:
    """Values that `slot` of an actor of `kind` is drawn from, all equally likely."""
    if slot == "skin":
        return tuple(SKIN_OF_KIND[kind])
    if slot == "hat":
        return HAT_COLOURS if kind == "robot" else ("none", *HAT_COLOURS)
    if slot in ("hair", "hair_style"):
        return SLOT_VALUES[slot][1:] if kind == "person" else ("",)
    return SLOT_VALUES[slot]


def draw_actor(rng: random.Random, name: str) -> Actor:
    """An actor of the kind that `name` implies, everything else at random."""
    kind = name if name in KINDS else "person"
    look = {slot: rng.choice(slot_values(kind, slot)) for slot in ACTOR_SLOTS}
    if name in GIRLS or name in BOYS:
        look["hair_style"] = "long" if name in GIRLS else "short"
    return Actor(kind, name, ActorLook(**look))


def draw_place(rng: random.Random, kind: str) -> Place:
    main, second = rng.sample(tuple(COLOURS), 2)
    return Place(kind, PlaceLook(rng.choice(TIMES), main, second, rng.choice(SIDES)))


def draw_names(rng: random.Random, count: int) -> list[str]:
    """Distinct ways to call `count` actors: numbered actors, given names, or a kind ("cat") that is alone of its
    kind."""
    numbered = [f"Actor {n}" for n in range(1, 10)]
    pool = [rng.choice((rng.choice(numbered), rng.choice(GIRLS + BOYS), rng.choice(KINDS[1:]))) for _ in range(12)]
    return list(dict.fromkeys(pool + numbered))[:count]


def draw_scene(rng: random.Random, cast: tuple[Actor, ...], place: Place) -> WorldScene:
    return WorldScene(cast, tuple(rng.choice(ACTIONS) for _ in cast), place, rng.getrandbits(32))


def with_shots(story: WorldStory, share: float = 1) -> WorldStory:
    """The same story with every scene in a shot by chance; `share` of all stories, the others as they are."""
    rng = random.Random(f"shots/{story.seed}")
    if rng.random() >= share:
        return story
    return replace(
        story, scenes=tuple(replace(scene, shot=rng.choice(("", *SHOTS, "wide", "close"))) for scene in story.scenes)
    )


def abba_story(seed: int, domain: str) -> WorldStory:
    """A at x, B at y, B at x, A at y: each look is seen once before it is asked for again."""
    rng = random.Random(f"abba/{domain}/{seed}")
    a, b = (draw_actor(rng, name) for name in draw_names(rng, 2))
    x, y = (draw_place(rng, kind) for kind in rng.sample(PLACES, 2))
    return WorldStory(tuple(draw_scene(rng, (who,), where) for who, where in ((a, x), (b, y), (b, x), (a, y))), seed)


def long_story(seed: int, domain: str) -> WorldStory:
    """8 to 12 scenes: the hero of scene 1 comes back after gaps of 1 to 8 scenes, others act in between."""
    rng = random.Random(f"long/{domain}/{seed}")
    hero, *others = (draw_actor(rng, name) for name in draw_names(rng, 4))
    places = [draw_place(rng, kind) for kind in rng.sample(PLACES, 4)]
    length, first_gap = rng.randint(8, 12), rng.randint(1, 8)
    back = {0, min(first_gap, length - 1)}
    while max(back) < length - 1:
        back.add(max(back) + rng.randint(1, 8))
    casts = [(hero,) if i in back else (rng.choice(others),) for i in range(length)]
    return WorldStory(tuple(draw_scene(rng, cast, rng.choice(places)) for cast in casts), seed)


def training_story(seed: int, length: int = 4) -> WorldStory:
    """A story for training: two or three actors and places that keep coming back, some scenes with two actors."""
    rng = random.Random(f"train/{seed}")
    actors = [draw_actor(rng, name) for name in draw_names(rng, rng.choice((2, 2, 3)))]
    places = [draw_place(rng, kind) for kind in rng.sample(PLACES, rng.choice((1, 2, 2, 3)))]
    casts = [tuple(rng.sample(actors, 2 if rng.random() < 0.15 else 1)) for _ in range(length)]
    return WorldStory(tuple(draw_scene(rng, cast, rng.choice(places)) for cast in casts), seed)
