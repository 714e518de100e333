"""Clips in which somebody comes, goes or begins to do something else, and what can be asked about them.

A question is put together from a kind, a look, an action, a beginning and a neighbour; the same parts decide what it is
true of, actor by actor and frame by frame. Parts that are not true of anybody make questions whose answer is that it is
not there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...picturebook import renderer, world
from ...picturebook.captions import ACTION_FORMS, GARMENT
from ...picturebook.renderer import NUM_FRAMES, Part
from ...picturebook.world import ACTIONS, PLACES, Actor

PEOPLE = ("girl", "boy")
NOUNS = (*PEOPLE, *world.KINDS[1:])
ANYBODY = "somebody"
NEAR = 0.08  # share of the width by which somebody must be to the left
LEAST_FRAMES = 3  # that an action or an appearance lasts


@dataclass(frozen=True)
class Question:
    """first and last: frames of the only actor that `text` is true of, both included; of nobody, `actor` is None."""

    text: str
    actor: int | None
    first: int = 0
    last: int = 0


@dataclass(frozen=True, eq=False)
class AskedClip:
    """frames: uint8 (F, H, W, 3). masks: uint8 (F, H, W), labels of the renderer. boxes: float32 (actors, F, 4),
    centre x, centre y, width, height as shares of the picture; shown: bool (actors, F)."""

    frames: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    shown: np.ndarray
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class _Asked:
    """The parts of a question."""

    noun: str
    look: tuple[str, str] | None = None  # a slot of the look and its value
    action: str | None = None
    starts: bool = False  # to do the action
    left_of: str | None = None  # a noun


def asked_clip(rng: random.Random, questions: int = 4, num_frames: int = NUM_FRAMES) -> AskedClip:
    """One to three actors somewhere, and as many questions as there are, or fewer if they are hard to find."""
    parts = _parts(rng, num_frames)
    place = world.draw_place(rng, rng.choice(PLACES))
    clip = renderer.perform(place, parts, range(num_frames), num_frames)
    assert clip.masks is not None, "drawn with masks"
    boxes, shown = _boxes(clip.masks, 1 + max(part.index for part in parts))
    asked = _Truth(parts, boxes, shown)
    drawn = dict.fromkeys(_draws(rng, asked, questions))
    return AskedClip(clip.frames, clip.masks, boxes, shown, tuple(drawn)[:questions])


def _draws(rng: random.Random, truth: _Truth, wanted: int) -> Iterator[Question]:
    for _ in range(4 * wanted):
        for asked in _draw(rng, truth):
            found = truth.of(asked)
            if found is not None:
                yield replace(found, text=_text(rng, asked))


def _parts(rng: random.Random, num_frames: int) -> list[Part]:
    count = rng.choice((1, 1, 2, 2, 2, 3))
    places = [(i + 0.5) / count for i in range(count)]
    rng.shuffle(places)
    parts = list[Part]()
    for index, middle in enumerate(places):
        actor = world.draw_actor(rng, rng.choice(("Actor 1", "Actor 1", "cat", "dog", "robot")))
        x, phase = 0.1 + 0.8 * middle + rng.uniform(-0.1, 0.1) / count, rng.uniform(0, 6.283)
        for action, frames in _timeline(rng, num_frames):
            parts.append(Part(actor, action, x, phase, index, frames))
    return parts


def _timeline(rng: random.Random, num_frames: int) -> list[tuple[str, range]]:
    """When somebody is there, and what they do then: one action, or two one after the other."""
    first, last = 0, num_frames
    kind = rng.random()
    if kind < 0.2 or 0.4 <= kind < 0.5:
        first = rng.randrange(1, num_frames - LEAST_FRAMES)
    if 0.2 <= kind < 0.5:
        last = rng.randrange(first + LEAST_FRAMES, num_frames)
    if kind > 0.98:
        first = rng.randrange(num_frames)
        last = first + 1
    one, other = rng.sample(ACTIONS, 2)
    if last - first < 2 * LEAST_FRAMES or rng.random() < 0.5:
        return [(one, range(first, last))]
    change = rng.randrange(first + LEAST_FRAMES, last - LEAST_FRAMES + 1)
    return [(one, range(first, change)), (other, range(change, last))]


def _boxes(masks: np.ndarray, actors: int) -> tuple[np.ndarray, np.ndarray]:
    """Around an actor and its things."""
    frames, height, width = masks.shape
    boxes, shown = np.zeros((actors, frames, 4), np.float32), np.zeros((actors, frames), bool)
    owners = (masks.astype(np.int16) + 1) // 2 - 1
    for actor in range(actors):
        for t in range(frames):
            rows, columns = np.nonzero(owners[t] == actor)
            if rows.size:
                left, right = columns.min() / width, (columns.max() + 1) / width
                top, bottom = rows.min() / height, (rows.max() + 1) / height
                boxes[actor, t] = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
                shown[actor, t] = True
    return boxes, shown


@dataclass(frozen=True, eq=False)
class _Truth:
    parts: list[Part]
    boxes: np.ndarray
    shown: np.ndarray

    @property
    def actors(self) -> list[Actor]:
        return list({part.index: part.actor for part in self.parts}.values())

    def own(self, index: int) -> list[Part]:
        return [part for part in self.parts if part.index == index]

    def of(self, asked: _Asked) -> Question | None:
        """The answer; None for a question that has two, or none in one piece."""
        answers = [(i, frames) for i in range(len(self.actors)) if len(frames := self._frames(i, asked))]
        if not answers:
            return Question("", None)
        if len(answers) > 1:
            return None
        [(index, frames)] = answers
        whole = frames[-1] - frames[0] + 1 == len(frames)
        return Question("", index, int(frames[0]), int(frames[-1])) if whole else None

    def _frames(self, index: int, asked: _Asked) -> np.ndarray:
        """In which `asked` is true of an actor."""
        if not _fits(self.actors[index], asked):
            return np.zeros(0, np.int64)
        true = self.shown[index].copy()
        if asked.action is not None:
            doing = self._doing(index, asked)
            true &= np.isin(np.arange(len(true)), doing)
        if asked.left_of is not None:
            true &= self._left_of(index, asked.left_of)
        return np.nonzero(true)[0]

    def _doing(self, index: int, asked: _Asked) -> list[int]:
        parts = self.own(index)
        if asked.starts:
            parts = parts[1:]
        return [t for part in parts if part.action == asked.action and part.frames for t in part.frames]

    def _left_of(self, index: int, noun: str) -> np.ndarray:
        others = [i for i, actor in enumerate(self.actors) if i != index and noun_of(actor) == noun]
        x = self.boxes[..., 0]
        found = [self.shown[i] & (x[index] < x[i] - NEAR) for i in others]
        return np.any(found, axis=0) if found else np.zeros(len(self.shown[index]), bool)


def noun_of(actor: Actor) -> str:
    """As questions call it: a person is a girl or a boy by their hair."""
    return actor.kind if actor.kind != "person" else PEOPLE[actor.look.hair_style == "short"]


def _fits(actor: Actor, asked: _Asked) -> bool:
    if asked.noun not in (ANYBODY, noun_of(actor), actor.kind):
        return False
    return asked.look is None or getattr(actor.look, asked.look[0]) == asked.look[1]


def _draw(rng: random.Random, truth: _Truth) -> Iterator[_Asked]:
    """About somebody who is there; and two times in three the same with a part changed, side by side."""
    index = rng.randrange(len(truth.actors))
    actor, part = truth.actors[index], rng.choice(truth.own(index))
    asked = _Asked(rng.choice((noun_of(actor), noun_of(actor), noun_of(actor), actor.kind, ANYBODY)))
    if asked.noun != ANYBODY and rng.random() < 0.45:
        asked = replace(asked, look=_a_look(rng, actor))
    if asked.noun == ANYBODY or rng.random() < 0.6:
        starts = part is not truth.own(index)[0] and rng.random() < 0.5
        asked = replace(asked, action=part.action, starts=starts)
    others = [other for i, other in enumerate(truth.actors) if i != index]
    if others and rng.random() < 0.15:
        asked = replace(asked, left_of=noun_of(rng.choice(others)))
    yield asked
    if rng.random() < 2 / 3:
        yield _changed(rng, asked, others)


def _a_look(rng: random.Random, actor: Actor) -> tuple[str, str]:
    """Something to see of the actor that words can say."""
    slots = [slot for slot in _SAID if getattr(actor.look, slot) not in ("", "none") and _can_wear(actor, slot)]
    slot = rng.choice(slots)
    return slot, getattr(actor.look, slot)


def _can_wear(actor: Actor, slot: str) -> bool:
    return not (slot == "hair" and actor.kind != "person") and not (slot == "skin" and actor.kind == "person")


def _changed(rng: random.Random, asked: _Asked, others: list[Actor]) -> _Asked:
    """With one part that is another's or nobody's."""
    parts = ["noun"] + [name for name in ("look", "action") if getattr(asked, name) is not None]
    part = rng.choice(parts)
    if part == "noun":
        return replace(asked, noun=rng.choice([noun for noun in NOUNS if noun != asked.noun]), look=None)
    if part == "action":
        return replace(asked, action=rng.choice([action for action in ACTIONS if action != asked.action]))
    assert asked.look is not None
    slot, value = asked.look
    values = [v for v in _values(asked.noun, slot) if v not in (value, "none", "")]
    worn = [getattr(other.look, slot) for other in others if getattr(other.look, slot) in values]
    return replace(asked, look=(slot, rng.choice(worn if worn and rng.random() < 0.5 else values)))


def _values(noun: str, slot: str) -> tuple[str, ...]:
    return world.slot_values("person" if noun in (*PEOPLE, ANYBODY) else noun, slot)


def _coat(noun: str, value: str) -> str:
    garment = GARMENT.get("person" if noun in PEOPLE else noun)
    return f"in the {value} {garment}" if garment else f"with the {value} body"


_SAID: dict[str, Callable[[str, str], str]] = {
    "top": _coat,
    "bottom": lambda noun, value: f"with {value} legs" if noun == "robot" else f"in {value} trousers",
    "hat": lambda noun, value: f"with the {value} {'lamp' if noun == 'robot' else 'hat'}",
    "hair": lambda noun, value: f"with {value} hair",
    "skin": lambda noun, value: value,  # said before the noun
}


def _text(rng: random.Random, asked: _Asked) -> str:
    noun = asked.noun
    article = "" if noun == ANYBODY else rng.choice(("the ", "the ", "a ", ""))
    if asked.look is not None:
        slot, value = asked.look
        said = _SAID[slot](noun, value)
        noun = f"{said} {noun}" if slot == "skin" else f"{noun} {said}"
    text = article + noun
    if asked.left_of is not None:
        text += f" left of the {asked.left_of}"
    if asked.action is not None:
        gerund = rng.choice(ACTION_FORMS[asked.action])[0]
        text += (
            rng.choice((f" that starts {gerund}", f" who begins {gerund}", f" starts {gerund}"))
            if asked.starts
            else rng.choice((f" {gerund}", f" {gerund}", f" is {gerund}", f" that is {gerund}"))
        )
    return text
