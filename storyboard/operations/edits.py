"""What `Studio.edit` can do: pure functions of a board, over those of `storyboard.document.edits`.

A new edit needs a function here and its control on the page; all else comes of that.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from pipeline.errors import ThroughlineError

from ..document import edits, keeping
from ..document.story import Board, FilmSettings, Shot, Story, Take
from .arguments import Changes, Json, NewId, Place, SceneId, TakeId, WhichPicture, WordOfScene
from .registry import edit

NOTHING: Json = {}
Keeps = Annotated[bool, Field(description="Whether it does; else it is made from its words and earlier scenes alone")]


def _changes(given: Any) -> set[tuple[str, str]]:
    return {(getattr(given, "scene", ""), name) for name in given.changes}


def _order(given: Any) -> set[tuple[str, str]]:
    return {("", "scenes")}


def _words(given: Any) -> set[tuple[str, str]]:
    return {(given.scene, name) for name in ("pins", "mutes")}


def _scene_label(given: Any) -> str:
    return "prompt" if set(given.changes) == {"prompt"} else "scene settings"


@edit("story settings", _changes, programs=False)
def edit_story(board: Board, changes: Changes = NOTHING) -> Story:
    """Changes settings of the story itself, such as its title."""
    return edits.edit_story(board.story, **_only(changes, edits.STORY_FIELDS, "story"))


@edit("new scene", programs=False)  # they have a form of their own in `verbs`
def add_scene(
    board: Board,
    index: Annotated[int | None, Field(description="A place among the scenes, from 0; at the end for none")] = None,
    fields: Annotated[Json, Field(description="Settings of the new scene")] = NOTHING,
) -> Story:
    """A new scene before another one, with the settings of the scene before it."""
    return edits.add_scene(board.story, index, **_only(fields, edits.SCENE_FIELDS | {"id"}, "scene"))


@edit("duplicate")
def duplicate_scene(board: Board, scene: SceneId, copy_id: NewId = None) -> Story:
    """A copy of a scene right after it, with its chosen take."""
    return edits.duplicate_scene(board.story, scene, copy_id)


@edit("delete", _order)
def remove_scene(board: Board, scene: SceneId) -> Story:
    """Deletes a scene; undo brings it back."""
    return edits.remove_scene(board.story, scene)


@edit("move", _order)
def move_scene(board: Board, scene: SceneId, index: Place) -> Story:
    """Puts a scene at place INDEX, from 0."""
    return edits.move_scene(board.story, scene, index)


@edit(_scene_label, _changes)
def edit_scene(board: Board, scene: SceneId, changes: Changes = NOTHING) -> Story:
    """Changes settings of a scene: CHANGES is JSON such as {"prompt": "...", "guidance": {"history": 3}}."""
    return keeping.edit_scene(board, scene, **_only(changes, edits.SCENE_FIELDS, "scene"))


@edit("keep the rest", lambda given: {(given.scene, "keep")})
def keep_rest(board: Board, scene: SceneId, on: Keeps = True) -> Story:
    """Lets a scene whose words were edited keep the rest of its former take, or not. By itself it does where one phrase
    of at most four words changed."""
    return keeping.keep_rest(board, scene, on)


@edit("no picture", lambda given: {(given.scene, f"{given.which}_picture")})
def remove_scene_picture(board: Board, scene: SceneId, which: WhichPicture) -> Story:
    """Lets a scene begin, or end, with no picture again."""
    return edits.set_picture(board.story, scene, which, None)


@edit("film settings", lambda given: {("", "film")})
def edit_film(board: Board, changes: Changes = NOTHING) -> Story:
    """Changes settings of the film: CHANGES is JSON such as {"title": {"text": "Snow"}, "music": {"level": -6}}."""
    return edits.edit_film(board.story, **_only(changes, frozenset(FilmSettings.model_fields), "film"))


@edit("shot settings", lambda given: {(given.scene, "shot")})
def edit_shot(board: Board, scene: SceneId, changes: Changes = NOTHING) -> Story:
    """Changes how a scene is in the film: CHANGES is JSON such as {"skip": 0.5, "speed": 2, "caption": "Later"}."""
    return edits.edit_shot(board.story, scene, **_only(changes, frozenset(Shot.model_fields), "shot"))


@edit("pin", _words, programs=False)  # they have a form of their own in `verbs`
def pin_word(board: Board, scene: SceneId, word: WordOfScene) -> Story:
    """Lets a scene keep a word of an earlier one, whatever the filter says."""
    return edits.pin_word(board.story, scene, word)


@edit("mute", _words, programs=False)  # they have a form of their own in `verbs`
def mute_word(board: Board, scene: SceneId, word: WordOfScene) -> Story:
    """Lets a scene drop a word of an earlier one, whatever the filter says."""
    return edits.mute_word(board.story, scene, word)


@edit("leave to the filter", _words, programs=False)
def release_word(board: Board, scene: SceneId, word: WordOfScene) -> Story:
    """Leaves a word to the filter again."""
    return edits.release_word(board.story, scene, word)


@edit("mute scene", programs=False)
def mute_scene(
    board: Board,
    scene: SceneId,
    muted: Annotated[SceneId, Field(description="Id of the scene that it forgets")],
    on: Annotated[bool, Field(description="Whether it is forgotten; else it is remembered again")] = True,
) -> Story:
    """Lets a scene remember nothing of another one, or do so again."""
    return edits.mute_scene(board.story, scene, muted, on)


@edit("choose take")
def choose_take(board: Board, scene: SceneId, take: TakeId) -> Story:
    """The take of a scene that is shown and remembered."""
    return edits.choose_take(board.story, scene, take_of(board, scene, take).id)


@edit("delete take", programs=False)
def remove_take(board: Board, scene: SceneId, take: TakeId) -> Story:
    """Takes a take away; the last of the others is shown if it was the one that is."""
    found = take_of(board, scene, take)
    rest = [other.id for other in board.takes_of(scene) if other.id != take]
    return edits.remove_take(board.story, scene, found.id, rest[-1] if rest else None)


def brought_take(board: Board, after: Story, name: str, given: Any) -> Take | None:
    """The take that an edit brings with it: of a copy of a scene, that of the scene."""
    if name != duplicate_scene.__name__:
        return None
    return edits.copied_take(board, given.scene, after.scenes[after.index(given.scene) + 1])


def take_of(board: Board, scene: str, take: str) -> Take:
    """A take by its id. Raises ThroughlineError if it is not one of the scene."""
    found = board.takes.get(take)
    if found is None or found.scene != scene:
        raise ThroughlineError(f"take {take!r} does not exist in scene {scene!r}")
    return found


def _only(changes: Mapping[str, Any], names: frozenset[str], what: str) -> dict[str, Any]:
    for name in sorted(changes.keys() - names):
        expected = f"expected one of {', '.join(sorted(names))}"
        raise ThroughlineError(f"{reprlib.repr(name)} of a {what} can't be edited: {expected}")
    return dict(changes)
