"""What a mention looks like, fact by fact, so that the meter can say what changed: a line on its look.

It knows the picture book's world alone, and is for the encoders that it was fitted with (`Gauge.fingerprint`). What a
figure is, its words say; what it cannot wear, it is not read to wear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ..picturebook.world import ACTOR_SLOTS, BOYS, GIRLS, KINDS, PLACE_SLOTS, PLACES, SLOT_VALUES, slot_values

SLOTS = (*ACTOR_SLOTS, *PLACE_SLOTS)
SIZES = tuple(len(SLOT_VALUES[slot]) for slot in SLOTS)
SAME = 0.25  # probability that a fact is the same below which it is told as changed
LIKELY = 0.5  # of a value, from which it may be told
CERTAIN = 0.8  # of a value, from which somebody else may be told to have had it
PERSON = "person"
FILE = Path("meter", "facts.safetensors")  # beside the model: it has no part in what a scene is made of

WORDS = {
    "person": {"top": "coat", "bottom": "trousers"},
    "cat": {"top": "sweater", "bottom": "trousers", "skin": "fur"},
    "dog": {"top": "sweater", "bottom": "trousers", "skin": "fur"},
    "robot": {"top": "body", "bottom": "legs", "skin": "metal", "hat": "lamp"},
}  # of slots by kind, where they are not their own
PLACE_WORDS = {"time": "time of day", "main": "first colour", "second": "second colour", "side": "side"}

Chances = Mapping[str, np.ndarray]  # by slot, of every value that it can have, in the order of `values_of`


@dataclass(frozen=True)
class Difference:
    """A fact that changed, values as the world names them."""

    slot: str
    before: str
    now: str


@dataclass(frozen=True, eq=False)
class FactLine:
    """weight: float32 (values, d), bias: (values), of SLOTS one after the other. fingerprint: of the encoders."""

    weight: np.ndarray
    bias: np.ndarray
    fingerprint: str

    def read(self, look: np.ndarray, text: str) -> dict[str, np.ndarray]:
        """Chances of what a mention with that text looks like. look: float32 (d,)."""
        rows = np.split(self.weight @ look + self.bias, np.cumsum(SIZES)[:-1])
        found = {}
        for slot, row in zip(SLOTS, rows, strict=True):
            values = values_of(text, slot)
            if len(values) > 1:
                logits = np.array([row[SLOT_VALUES[slot].index(value)] for value in values], np.float64)
                shares = np.exp(logits - logits.max())
                found[slot] = shares / shares.sum()
        return found

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {
            name: torch.from_numpy(values).half() for name, values in (("weight", self.weight), ("bias", self.bias))
        }
        save_file(tensors, path, metadata={"fingerprint": self.fingerprint})


def kind_of(text: str) -> str:
    """Of the world's kinds and places the one that a mention is: "the robot" a robot, "Mia" a person."""
    words = text.lower().split()
    named = [word for word in reversed(words) if word in KINDS or word in PLACES]
    return named[0] if named else PERSON


def values_of(text: str, slot: str) -> tuple[str, ...]:
    """That a slot of a mention with that text can have; none or one where there is nothing to tell."""
    kind = kind_of(text)
    if (kind in PLACES) != (slot in PLACE_SLOTS):
        return ()
    if slot == "hair_style" and not {*GIRLS, *BOYS}.isdisjoint(text.split()):
        return ()  # the name says it
    return SLOT_VALUES[slot] if kind in PLACES else slot_values(kind, slot)


def word_for(slot: str, text: str) -> str:
    """What a slot of a mention with that text is called: the "skin" of "the dog" is its fur."""
    return PLACE_WORDS.get(slot) or WORDS.get(kind_of(text), {}).get(slot, slot.replace("_", " "))


def share_alike(before: Chances, now: Chances) -> float | None:
    """Of the facts that both have, how much is the same, 0 to 1, and 1 for what is read alike; None if they have none
    in common."""
    pairs = [(before[slot], now[slot]) for slot in before if _comparable(before, now, slot)]
    same = [float(a @ b / max(a @ a, b @ b)) for a, b in pairs]
    return float(np.mean(same)) if same else None


def differences(before: Chances, now: Chances, text: str) -> tuple[Difference, ...]:
    """Facts of a mention with that text that are hardly the same, the surest first."""
    found = []
    for slot in before:
        if not _comparable(before, now, slot):
            continue
        values, (was, shown) = values_of(text, slot), (int(each[slot].argmax()) for each in (before, now))
        known = min(float(before[slot][was]), float(now[slot][shown])) >= LIKELY
        if known and was != shown and (same := float(before[slot] @ now[slot])) < SAME:
            found.append((same, Difference(slot, values[was], values[shown])))
    return tuple(told for _, told in sorted(found, key=lambda pair: pair[0]))


def _comparable(before: Chances, now: Chances, slot: str) -> bool:
    return slot in now and len(before[slot]) == len(now[slot])


def shows(chances: Chances, text: str, slot: str, value: str) -> bool:
    """Whether a mention with that text surely has that value."""
    values = values_of(text, slot) if slot in chances else ()
    return value in values and float(chances[slot][values.index(value)]) >= CERTAIN


@lru_cache(maxsize=1)
def load_facts(folder: Path) -> FactLine | None:
    """In the folder of all weights; None if there is none."""
    path = folder / FILE
    if not path.is_file():
        return None
    with safe_open(path, "pt") as file:
        weight, bias = (file.get_tensor(name).float().numpy() for name in ("weight", "bias"))
        return FactLine(weight, bias, file.metadata()["fingerprint"])
