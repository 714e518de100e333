"""Who plays somebody whom nobody has described: the book draws them, and scenes remember that picture.

What a prompt leaves open the generator would have to make up, and it ends between two looks. Asked to remember a
picture that shows one, it draws that: retrieval-augmented generation (Blattmann et al. 2022, arXiv 2204.11824), with a
picture of the world's own instead of one that is looked up. For the method the picture is one more past scene, whose
prompt names the role and says no more of it than the story does.

Does not cover: names that the world does not know, and places.
"""

from __future__ import annotations

import io
import random
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ..language.mentions import analyse
from .captions import GARMENT
from .said import looks_said
from .world import (
    ACTIONS,
    BOYS,
    GIRLS,
    KINDS,
    PLACES,
    Actor,
    WorldScene,
    draw_actor,
    draw_place,
    slot_values,
)

if TYPE_CHECKING:  # it takes its time to load, and so does what draws: a shell that draws nothing need not wait
    import numpy as np

HAIR_OF = {"girl": "long", "boy": "short"}
_NAME = re.compile(rf"\b(?:(Actor [0-9]+|{'|'.join(GIRLS + BOYS)})|((?i:{'|'.join((*KINDS[1:], *HAIR_OF))})))\b")


@dataclass(frozen=True)
class Role:
    """Somebody of this world whom a prompt names, and the looks that it says, as (slot, value)."""

    name: str  # "Mia", "Actor 1", "cat", "girl"
    said: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        return self.name if self.name in KINDS else "person"

    @property
    def caption(self) -> str:
        """What the picture shows, as a prompt would say it: "Mia in a red coat.", "A ginger cat."."""
        looks = dict(self.said)
        noun = self.name if self.name[0].isupper() else f"a {looks.get('skin', '')} {self.name}".replace("  ", " ")
        told = " ".join((noun, *(_phrase(self.kind, slot, value) for slot, value in self.said if slot != "skin")))
        return f"{told[0].upper()}{told[1:]} is here."


def _phrase(kind: str, slot: str, value: str) -> str:
    thing = {"top": GARMENT.get(kind, "body"), "bottom": "trousers", "hat": "lamp" if kind == "robot" else "hat"}
    article = "an" if value[0] in "aeiou" else "a"
    if slot == "top":
        return f"in {article} {value} {thing[slot]}"
    return f"with {article} {value} {thing[slot]}" if slot == "hat" else f"with {value} {thing.get(slot, slot)}"


@lru_cache(maxsize=8192)
def roles_in(prompt: str) -> tuple[Role, ...]:
    """Whom of this world a prompt names, each mention once: of "Mia, a girl in a red coat" Mia."""
    analysis, found, end = analyse(prompt), list[Role](), 0
    for mention in analysis.mentions:
        first, last = (analysis.segments[mention.words[place]] for place in (0, -1))
        start, text = first.start, prompt[first.start : last.end]
        name = _name(text)
        if name and name in HAIR_OF and found and prompt[end:start] == ", a ":  # Actor 2, a girl in a red coat
            found.append(_role(found.pop().name, text))
        elif name:
            found.append(_role(name, text))
        end = last.end
    return tuple(dict.fromkeys(found))


def _name(text: str) -> str | None:
    named = _NAME.search(text)
    return (named[1] or named[2].lower()) if named else None


def _role(name: str, text: str) -> Role:
    kind = name if name in KINDS else "person"
    said = {slot: value for slot, value in looks_said(text).items() if value in slot_values(kind, slot)}
    return Role(name, tuple(sorted(said.items())))


@dataclass(frozen=True)
class Casting:
    """Somebody for a role. What is not said is drawn from the seed and the name: the same whatever else is said."""

    role: Role
    seed: int

    @property
    def picture(self) -> np.ndarray:
        """By day, in the middle of the picture, uint8 (H, W, 3)."""
        return _draw(self.role, self.seed)

    @property
    def png(self) -> bytes:
        return _png(self.role, self.seed)


@lru_cache(maxsize=256)
def _png(role: Role, seed: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(_draw(role, seed)).save(file, "PNG")
    return file.getvalue()


@lru_cache(maxsize=256)
def _draw(role: Role, seed: int) -> np.ndarray:
    rng = random.Random(f"casting/{seed}/{role.name}/{dict(role.said).get('skin', '')}")  # a grey cat is another one
    actor = draw_actor(rng, role.name)
    looks = dict(role.said) | ({"hair_style": HAIR_OF[role.name]} if role.name in HAIR_OF else {})
    return portrait(Actor(actor.kind, actor.name, replace(actor.look, **looks)), rng)


def portrait(actor: Actor, rng: random.Random) -> np.ndarray:
    """An actor by day, somewhere, doing something, uint8 (H, W, 3)."""
    from . import renderer

    place = draw_place(rng, rng.choice(PLACES))
    lit = replace(place, look=replace(place.look, time="day"))
    scene = WorldScene((actor,), (rng.choice(ACTIONS),), lit, rng.getrandbits(32))
    return renderer.render(scene, masks=False, frames=(renderer.NUM_FRAMES // 2,)).frames[0]


class Company:
    """Whom a story has named so far, and what it said of their looks: the last word counts."""

    def __init__(self) -> None:
        self._said = dict[str, dict[str, str]]()

    def pass_by(self, prompt: str) -> None:
        """The next scene."""
        for role in roles_in(prompt):
            self._said[role.name] = self._said.get(role.name, {}) | dict(role.said)

    def of(self, prompt: str) -> list[Role]:
        """Whom the scene after these names, with all that was said of them."""
        told = [(role.name, self._said.get(role.name, {}) | dict(role.said)) for role in roles_in(prompt)]
        return list(dict.fromkeys(Role(name, tuple(sorted(said.items()))) for name, said in told))
