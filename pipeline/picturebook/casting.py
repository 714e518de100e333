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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ..language.mentions import analyse
from .captions import GARMENT
from .said import Look, looks_in
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
_SEX = {"she": "girl", "her": "girl", "he": "boy", "his": "boy"}
_PRONOUN = re.compile(rf"\b({'|'.join(_SEX)})\b")
_NAME = re.compile(rf"(?i)\b(?:(Actor\s+[0-9]+|{'|'.join(GIRLS + BOYS)})|({'|'.join((*KINDS[1:], *HAIR_OF))}))\b")


@dataclass(frozen=True)
class Role:
    """Somebody of this world whom a prompt names, and the looks that it says, as (slot, value)."""

    name: str  # "Mia", "Actor 1", "cat", "girl"
    said: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        return kind_of(self.name)

    @property
    def title(self) -> str:
        """What tells it from others of its name: "ginger cat"; else the name."""
        return f"{dict(self.said)['skin']} {self.name}" if "skin" in dict(self.said) else self.name

    @property
    def described(self) -> str:
        """With all that is said: "Mia in a red coat", "girl with a blue hat"."""
        return " ".join((self.title, *(_phrase(self.kind, *said) for said in self.said if said[0] != "skin")))

    @property
    def caption(self) -> str:
        """What the picture shows, as a prompt would say it: "Mia in a red coat is here.", "A ginger cat is here."."""
        return f"{self.described if self.name[0].isupper() else f'A {self.described}'} is here."


def kind_of(name: str) -> str:
    return name if name in KINDS else "person"


def _phrase(kind: str, slot: str, value: str) -> str:
    thing = {"top": GARMENT.get(kind, "body"), "bottom": "trousers", "hat": "lamp" if kind == "robot" else "hat"}
    article = "an" if value[0] in "aeiou" else "a"
    if slot == "top":
        return f"in {article} {value} {thing[slot]}"
    return f"with {article} {value} {thing[slot]}" if slot == "hat" else f"with {value} {thing.get(slot, slot)}"


@lru_cache(maxsize=8192)
def roles_in(prompt: str) -> tuple[Role, ...]:
    """Whom of this world a prompt names, each mention once: of "Mia, a girl in a red coat" Mia. A look is of whom was
    spoken of last when it is said ("Mia walks in a red coat", "The cat meets Tom. He wears a red hat"), else of who
    comes next ("In a red coat, Mia walks")."""
    named = list[tuple[int, str]]()  # in order, with where they begin
    end = 0
    analysis = analyse(prompt)
    for mention in analysis.mentions:
        first, last = (analysis.segments[mention.words[place]] for place in (0, -1))
        name = _name(prompt[first.start : last.end])
        apposition = name in HAIR_OF and named and prompt[end : first.start] == ", a "  # Actor 2, a girl in a red coat
        if name and not apposition:
            named.append((first.start, name))
        end = last.end
    looks = [dict[str, str]() for _ in named]
    for look in looks_in(prompt) if named else ():
        for place in _wearers(prompt, named, look):
            looks[place][look.slot] = look.value
    found = list[tuple[str, dict[str, str]]]()
    for (start, name), own in zip(named, looks, strict=True):
        said = next((said for known, said in found if known == name), None)
        if said is not None and _is_known(name, prompt[:start], said, own):
            said.update(own)
        else:
            found.append((name, own))
    return tuple(dict.fromkeys(Role(name, tuple(sorted(own.items()))) for name, own in found))


def _is_known(name: str, before: str, said: Mapping[str, str], own: Mapping[str, str]) -> bool:
    """Whether a mention means whom another of that name meant: "Mia" always, "the cat" unless it looks otherwise.
    before: what the prompt says before it. said, own: the looks of both."""
    fits = all(said.get(slot, value) == value for slot, value in own.items())
    return name[0].isupper() or (fits and before.lower().split()[-1:] == ["the"])


def _name(text: str) -> str | None:
    """As the world writes it, as which the text encoder reads all that differs in capitals and spaces alone."""
    named = _NAME.search(text)
    return (" ".join(named[1].split()).title() if named[1] else named[2].lower()) if named else None


def _wearers(prompt: str, named: Sequence[tuple[int, str]], look: Look) -> list[int]:
    """Of whom a look is said, by their places; of nobody who cannot have it."""
    able = [place for place, (_, name) in enumerate(named) if _can_have(name, look)]
    before = [place for place in able if named[place][0] <= look.start]
    if look.several or not before:
        return before if look.several else able[:1]
    since = prompt[named[before[-1]][0] : look.start].lower()
    pronouns = _PRONOUN.findall(since)
    meant = [place for place in before if pronouns and _sex(named[place][1]) == _SEX[pronouns[-1]]]
    return (meant or before)[-1:]


def _can_have(name: str, look: Look) -> bool:
    kind = kind_of(name)
    return kind in (look.kinds or kind).split() and look.value in slot_values(kind, look.slot)


def _sex(name: str) -> str | None:
    return "girl" if name in (*GIRLS, "girl") else "boy" if name in (*BOYS, "boy") else None


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
