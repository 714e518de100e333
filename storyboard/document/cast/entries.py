"""The cast: people, things and places with pictures, which stay as they are from scene to scene and story to story.

An entry is part of a story's value, so that edits of it are steps of undo like any other. `anchoring` says what scenes
make of it, `cast_edits` what can be done with it.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from ..values import MOST_SEEDS, PATTERNS, Digest, Flag, Id, Many, Number, Seed, Text, Value, Whole, left_out

MOST_ENTRIES, MOST_PICTURES, MOST_STATES, MOST_NAMES = 200, 20, 20, 20
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=PATTERNS["name"])]
Kind = Literal["", "person", "animal", "thing", "place"]


class CastPicture(Value):
    """A picture of an entry."""

    told_as = "picture"

    id: Id
    file: Digest  # a PNG
    caption: Text = ""  # what it shows, as a prompt would say it; "" for the entry's name and words
    state: str = Field(default="", max_length=200)  # the costume state that it shows; "" for as usual
    view: str = Field(default="", max_length=200)  # "from behind": looked at where a prompt says so
    source: str = Field(default="", max_length=200)  # where it is from, in words
    width: int = Field(ge=1, le=10_000)  # pixels
    height: int = Field(ge=1, le=10_000)


class CastState(Value):
    """How somebody looks from the scene on in which it is named, as "Mia, wet"; another state ends it."""

    told_as = "state"

    name: Name
    words: Text = ""  # what is different: "in a yellow raincoat"


class CastTaught(Value):
    """What a model was taught of an entry: an adapter, in a file."""

    told_as = "taught entry"

    file: Digest  # safetensors
    model: str = Field(max_length=200)  # digest of the weights that it is for: with others it is not worn
    strength: Number = Field(default=1.0, ge=0, le=2)  # 0: as if it were not there


class WornAdapter(Value):
    """What a take's model had been taught of an entry that its prompt names."""

    told_as = "adapter"

    entry: Id
    file: Digest
    strength: Number
    followed: Whole = 0  # by which version of the way in which scenes do (`pipeline.defaults.FOLLOWED`)

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As adapters were written before there were versions."""
        return left_out(plain(self), "followed", not self.followed)


class CastEntry(Value):
    """Somebody or something, by name."""

    told_as = "cast entry"

    id: Id
    name: Name
    others: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)] = ()  # other names
    kind: Kind = ""
    words: Text = ""  # what it looks like
    notes: Text = ""
    colour: str = Field(default="", pattern=PATTERNS["colour"])  # by which pages know it
    pictures: Annotated[tuple[CastPicture, ...], Field(max_length=MOST_PICTURES)] = ()
    states: Annotated[tuple[CastState, ...], Field(max_length=MOST_STATES)] = ()
    taught: CastTaught | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As entries were written before any could be taught, unless this one is."""
        return left_out(plain(self), "taught", self.taught is None)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.others)


class CastChoice(Value):
    """What a story or a scene makes of an entry."""

    told_as = "cast choice"

    entry: Id
    look: Literal["", "cast", "both", "last seen"] = ""  # "": as the story says, or the cast picture
    state: str | None = Field(default=None, max_length=200)  # from this scene on; "" for as usual; None: as named
    picture: Id | None = None  # the one to look at; None for the one that fits best


class Recast(Value):
    """Somebody who was cast anew."""

    told_as = "casting"

    name: Name
    seed: Seed


class Seeds(Value):
    """By what a story casts whom nobody describes, see `castings`."""

    told_as = "casting"

    seed: Seed = 0
    on: Flag = True
    able: Flag = True  # whether the model that the story was fitted to draws people
    recast: Annotated[Many[Recast], Field(max_length=MOST_ENTRIES)] = ()

    def seed_of(self, *names: str) -> int:
        """Of the first of somebody's names that was cast anew."""
        found = {one.name: one.seed for one in self.recast}
        return next((found[name] for name in names if name in found), self.seed)

    def anew(self, *names: str) -> dict[str, Any]:
        """With somebody else for the first of somebody's names, to be parsed."""
        others = [one for one in self.recast if one.name != names[0]]
        return {**dict(self), "recast": [*others, {"name": names[0], "seed": (self.seed_of(*names) + 1) % MOST_SEEDS}]}


Cast = Annotated[tuple[CastEntry, ...], Field(max_length=MOST_ENTRIES)]
Choices = Annotated[tuple[CastChoice, ...], Field(max_length=MOST_ENTRIES)]


def first_twice(entries: Iterable[CastEntry]) -> str | None:
    """A name or an id that two entries have, if there is one."""
    seen = set[str]()
    for entry in entries:
        own = {entry.id, *(name.casefold() for name in entry.names)}
        if own & seen:
            return next((name for name in entry.names if name.casefold() in seen), entry.id)
        seen |= own
    return None
