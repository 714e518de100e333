"""Which looks words say of a figure of this world: "the girl in the red coat" says that the top is red."""

from __future__ import annotations

import re

from .world import SLOT_VALUES

LOOKS = ("top", "bottom", "skin", "hat", "hair")  # that words can say, slots of `world.ActorLook`
_SLOTS = {
    "coat": "top", "sweater": "top", "body": "top", "trousers": "bottom", "legs": "bottom",
    "hat": "hat", "lamp": "hat", "hair": "hair", "cat": "skin", "dog": "skin", "robot": "skin",
}  # fmt: skip
_COLOURS = sorted({value for slot in LOOKS for value in SLOT_VALUES[slot]} - {"", "none"})
_SAID = re.compile(rf"\b({'|'.join(_COLOURS)})\s+({'|'.join(_SLOTS)})\b")
_NEIGHBOUR = re.compile(r"\b(left|right) of\b|\b(beside|near|behind|next to)\b")


def looks_said(text: str) -> dict[str, str]:
    """Values by slot, as the world names them; nothing that is said of a neighbour ("left of the grey cat")."""
    own = _NEIGHBOUR.split(text.lower())[0]
    found = {_SLOTS[noun]: colour for colour, noun in _SAID.findall(own)}
    return {slot: value for slot, value in found.items() if value in SLOT_VALUES[slot]}
