"""Which looks words say of a figure of this world: "the girl in the red coat" says that the top is red."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .world import SLOT_VALUES

LOOKS = ("top", "bottom", "skin", "hat", "hair")  # that words can say, slots of `world.ActorLook`
WORN = {
    "top": "coat raincoat jacket sweater jumper pullover cardigan hoodie shirt blouse dress",
    "bottom": "trousers pants jeans shorts skirt leggings",
    "hat": "hat cap beanie helmet",
}
ITS_OWN = {  # what only some kinds have
    "body": ("top", "robot"), "legs": ("bottom", "robot"), "lamp": ("hat", "robot"), "metal": ("skin", "robot"),
    "hair": ("hair", "person"), "cat": ("skin", "cat"), "dog": ("skin", "dog"), "robot": ("skin", "robot"),
    "fur": ("skin", "cat dog"),
}  # fmt: skip
_NOUNS = {noun: (slot, "") for slot, nouns in WORN.items() for noun in nouns.split()} | ITS_OWN
_COLOUR = "|".join(sorted({value for slot in LOOKS for value in SLOT_VALUES[slot]} - {"", "none"}))
_NOUN = rf"(?:{'|'.join(_NOUNS)})s?"
_NO_WORD_BETWEEN = rf"(?:and|or|in|with|on|is|the|an?|her|his|its|their|{_COLOUR}|{_NOUN})\b"
_SAID = re.compile(
    rf"\b(?P<before>{_COLOUR})\s+(?:(?!{_NO_WORD_BETWEEN})\w+\s+)?(?P<noun>{_NOUN})\b"  # red coat, red winter coat
    rf"|\b(?P<told>{_NOUN})\s+(?:is|are|was|were)\s+(?P<after>{_COLOUR})\b"  # her coat is red
    rf"|\bin\s+(?P<all>{_COLOUR})(?=\s*(?:[.,;!?]|$|(?:is|are|and|on|in|at)\b))"  # a girl in red
)
_NEIGHBOUR = re.compile(r"\b(left|right) of\b|\b(beside|near|behind|next to)\b")


class Look(NamedTuple):
    """A look that words say: where they begin, the slot and the value as the world names them, and of which kinds only
    it can be said ("" of any)."""

    start: int
    slot: str
    value: str
    kinds: str
    several: bool  # "red coats": of more than one


def looks_in(text: str) -> Iterator[Look]:
    """All that a text says, of whomever, in order."""
    for found in _SAID.finditer(text.lower()):
        noun, value = found["noun"] or found["told"] or "coat", found["before"] or found["after"] or found["all"]
        one = noun if noun in _NOUNS else noun[:-1]
        slot, kinds = _NOUNS[one]
        if value in SLOT_VALUES[slot]:
            yield Look(found.start(), slot, value, kinds, one != noun)


def looks_said(text: str) -> dict[str, str]:
    """Values by slot, as the world names them; nothing that is said of a neighbour ("left of the grey cat")."""
    return {look.slot: look.value for look in looks_in(_NEIGHBOUR.split(text.lower())[0])}
