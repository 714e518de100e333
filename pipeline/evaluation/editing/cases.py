"""What is asked of whom: for every held-out scene of two actors one edit of each level."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ...editing.editor import Change
from ...editing.region import Region
from ...picturebook import world
from ...picturebook.captions import GARMENT, PLACE_FORMS, Caption
from ...picturebook.world import PREPOSITION, Actor, WorldScene
from .judging import Seen

LEVELS = ("instance", "part", "class", "place")
ASKED = {"instance": ("top", "kind", "hat"), "part": ("hat", "hair"), "class": ("top", "kind", "hat")}  # in turn
HEAD = 0.5  # share of a figure, from above, that a part edit may change
MARGIN = 4  # pixels around a figure that an edit may change
FOLLOW = frozenset(("kind", "skin", "hat", "hair", "hair_style"))  # what another kind of figure need not keep


@dataclass(frozen=True, eq=False)
class Case:
    """One edit: fact is to be `value` for the figures `who`, or the place is to be of kind `value` (nobody's)."""

    level: str
    fact: str
    value: str
    who: tuple[int, ...]
    changes: tuple[Change, ...]

    @property
    def free(self) -> tuple[frozenset[str], ...]:
        """Of each figure, the facts that may change."""
        own = FOLLOW if self.fact == "kind" else frozenset((self.fact,))
        return tuple(own if index in self.who else frozenset() for index in (0, 1))

    @property
    def inside(self) -> Region | None:
        """What the edit was given; None for all of it but the figures."""
        active = [change.region for change in self.changes if change.words]
        return active[0].joined(active[1:])


def cases(scene: WorldScene, caption: Caption, seen: Seen, index: int) -> list[Case]:
    """Of a clip in which both figures are seen."""
    rng = random.Random(f"edit cases/{caption.text}/{index}")
    who = rng.randrange(2)
    found = [
        _of_actors("instance", scene, caption, seen, (who,), index, rng),
        _of_actors("part", scene, caption, seen, (who,), index, rng),
        _of_actors("class", scene, caption, seen, (0, 1), index, rng),
        _of_place(caption, seen, rng),
    ]
    return [case for case in found if case is not None]


def _of_actors(
    level: str, scene: WorldScene, caption: Caption, seen: Seen, who: tuple[int, ...], index: int, rng: random.Random
) -> Case | None:
    """None where no fact of that level can be asked of these actors."""
    able = [f for f in ASKED[level] if all(_can(f, scene.cast[i]) for i in who)]
    if not able:
        return None
    fact = able[index % len(able)]
    shown = {look.get(fact) for look in seen.actors} | {actor.kind for actor in scene.cast if fact == "kind"}
    value = rng.choice([v for v in _values(fact) if v not in shown])
    changes = []
    for i in (0, 1):
        region = seen.figures[i].grown(MARGIN).without([seen.figures[1 - i]])
        region = region.upper(HEAD) if level == "part" else region
        start, end = span = _span(caption, f"actor {i}")
        old = caption.text[start:end]
        changes.append(Change(region, _words(fact, value, old, scene.cast[i], start) if i in who else "", span))
    return Case(level, fact, value, who, tuple(changes))


def _can(fact: str, actor: Actor) -> bool:
    return {"top": actor.kind != "robot", "hair": actor.kind == "person"}.get(fact, True)


def _values(fact: str) -> tuple[str, ...]:
    if fact == "kind":
        return world.KINDS[1:]
    return {"top": tuple(world.COLOURS), "hat": world.HAT_COLOURS, "hair": tuple(world.HAIRS)}[fact]


def _words(fact: str, value: str, old: str, actor: Actor, start: int) -> str:
    article = "an" if value[0] in "aeiou" else "a"
    if fact == "kind":
        return f"{'A' if start == 0 else 'a'} {value}"
    return (
        old
        + {
            "top": f" in {article} {value} {GARMENT.get(actor.kind)}",
            "hat": f" with {article} {value} {'lamp' if actor.kind == 'robot' else 'hat'}",
            "hair": f" with {value} hair",
        }[fact]
    )


def _of_place(caption: Caption, seen: Seen, rng: random.Random) -> Case:
    span = _span(caption, "place")
    before = caption.text[: span[0]].split()[-2]
    others = [kind for kind in world.PLACES if kind != seen.place["kind"]]
    value = rng.choice([kind for kind in others if PREPOSITION[kind] == before.lower()])
    figures = [figure.grown(1) for figure in seen.figures]
    shape = seen.figures[0].mask.shape
    rest = Region.everything((shape[0], shape[1], shape[2])).without(figures)
    own = [Change(figure, "", _span(caption, f"actor {i}")) for i, figure in enumerate(figures)]
    return Case("place", "place", value, (), (Change(rest, PLACE_FORMS[value][0], span), *own))


def _span(caption: Caption, label: str) -> tuple[int, int]:
    found = next(span for span in caption.spans if span.label == label)
    return found.start, found.end
