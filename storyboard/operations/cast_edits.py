"""What `Studio.edit` can do to the cast: pure functions of a board, over those of `storyboard.document.cast.edits`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from pipeline.errors import ThroughlineError

from ..document.cast import edits as cast_edits
from ..document.cast.entries import CastChoice
from ..document.story import Board, Story, parse
from .arguments import CastName, Casts, Changes, EntryId, EntryNewId, Json, Key, PictureId, TaughtStrength
from .registry import edit

NOTHING: Json = {}


def _cast(given: Any) -> set[tuple[str, str]]:
    return {("", "cast")}


def _names(given: Any) -> set[tuple[str, str]]:
    return {("", "cast"), ("", "scenes")}


@edit("new in the cast")
def cast_add(board: Board, name: CastName, fields: Changes = NOTHING, entry_id: EntryNewId = None) -> Story:
    """Somebody, something or a place for the cast. FIELDS is JSON such as {"kind": "person", "words": "in a red coat",
    "others": ["the girl"], "colour": "#c04030"}."""
    return cast_edits.add_entry(board.story, name, entry_id, **_fields(fields))


@edit("casting", lambda given: {("", "casting")})
def cast_by_model(board: Board, on: Casts = True) -> Story:
    """Lets the model cast whom no prompt describes and nobody put into the cast: they look the same in every scene."""
    return cast_edits.cast_by_model(board.story, on=on)


@edit("cast anew", lambda given: {("", "casting")})
def cast_anew(board: Board, name: CastName) -> Story:
    """Somebody else for NAME, whom the model cast; scenes that show them are rendered again."""
    return cast_edits.recast(board, name)


@edit("cast entry", _cast)
def cast_edit(board: Board, entry: EntryId, changes: Changes = NOTHING) -> Story:
    """Changes an entry of the cast: CHANGES is JSON such as {"notes": "...", "states": [{"name": "wet"}]}."""
    return cast_edits.edit_entry(board.story, entry, **_fields(changes))


@edit("rename in the cast", _names)
def cast_rename(board: Board, entry: EntryId, name: CastName) -> Story:
    """Another name for an entry; prompts, captions and scripts that mention it follow."""
    return cast_edits.rename_entry(board.story, entry, name)


@edit("merge in the cast", _names)
def cast_merge(board: Board, entry: EntryId, into: EntryId) -> Story:
    """Makes ENTRY one with the entry INTO, which keeps its name; what mentions the other follows."""
    return cast_edits.merge_entries(board.story, entry, into)


@edit("delete from the cast", _cast)
def cast_remove(board: Board, entry: EntryId) -> Story:
    """Takes an entry out of the cast of a story; prompts stay, and undo brings it back."""
    return cast_edits.remove_entry(board.story, entry)


@edit("cast choice", lambda given: {(given.scene, "cast_choices")})
def cast_choose(
    board: Board,
    entry: EntryId,
    changes: Changes = NOTHING,
    scene: Annotated[Key, Field(description="Id of a scene; '' for the whole story")] = "",
) -> Story:
    """What a scene, or the whole story, makes of an entry: CHANGES is JSON such as {"look": "last seen"} (or "cast", or
    "both" for the picture and earlier scenes), {"state": "wet"} (from this scene on; "" for as usual) or {"picture":
    "..."} (an id; null for what fits)."""
    parse(CastChoice, {"entry": entry, **changes})
    return cast_edits.choose_look(board.story, entry, scene or None, **_fields(changes))


@edit("cast picture", _cast)
def cast_edit_picture(board: Board, entry: EntryId, picture: PictureId, changes: Changes = NOTHING) -> Story:
    """Changes what is said of a picture: CHANGES is JSON such as {"state": "wet", "view": "from behind"}."""
    return cast_edits.edit_picture(board.story, entry, picture, **_fields(changes))


@edit("delete cast picture", _cast)
def cast_remove_picture(board: Board, entry: EntryId, picture: PictureId) -> Story:
    """Takes a picture away from an entry; undo brings it back."""
    return cast_edits.remove_picture(board.story, entry, picture)


@edit("first cast picture", _cast)
def cast_first_picture(board: Board, entry: EntryId, picture: PictureId) -> Story:
    """Makes a picture the one that is looked at where none fits better."""
    return cast_edits.first_picture(board.story, entry, picture)


@edit("strength of what was taught", _cast)
def cast_weigh(board: Board, entry: EntryId, strength: TaughtStrength) -> Story:
    """How strongly what a model was taught of an entry counts in scenes that name it: 0 not at all, 1 as taught."""
    return cast_edits.weigh_entry(board.story, entry, strength)


@edit("forget what was taught", _cast)
def cast_forget(board: Board, entry: EntryId) -> Story:
    """Takes away what a model was taught of an entry; undo brings it back."""
    return cast_edits.untaught_entry(board.story, entry)


def _fields(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Names are checked by the edit, but for those of its own parameters."""
    for name in changes:
        if name in ("id", "name", "entry_id", "scene_id", "story", "pictures", "entry", "picture_id"):
            raise ThroughlineError(f"{name!r} can't be edited like this: expected a setting, not an id or a name")
    return dict(changes)
