"""What programs can do with stories: the same verbs in Python, from a shell and over HTTP. Ids in, plain JSON out.

Every function takes the studio and the owner first. `python -m storyboard VERB --help` and the API's page are made from
the signatures and docstrings here.
"""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import ThroughlineError

from .studio import Studio

Json = dict[str, Any]


def new_story(studio: Studio, owner: str, title: str, prompts: list[str]) -> Json:
    """A story with a scene for every prompt."""
    return studio.new_story(owner, title, prompts)


def list_stories(studio: Studio, owner: str) -> Json:
    """The owner's stories, the last changed first."""
    return studio.stories(owner)


def get_story(studio: Studio, owner: str, story: str) -> Json:
    """A story with its scenes and their takes."""
    return studio.get_story(owner, story)


def add_scene(studio: Studio, owner: str, story: str, prompt: str, index: int = -1) -> Json:
    """A new scene before scene INDEX, from 0; at the end for -1."""
    op = {"do": "add_scene", "index": None if index < 0 else index, "fields": {"prompt": prompt}}
    return studio.edit(owner, story, op)


def edit_scene(studio: Studio, owner: str, story: str, scene: str, changes: str) -> Json:
    """Changes settings of a scene: CHANGES is JSON such as {"prompt": "...", "guidance": {"history": 3}}."""
    try:
        wanted = json.loads(changes)
    except ValueError as error:
        raise ThroughlineError(f"changes are {changes!r}: expected JSON ({error})") from None
    return studio.edit(owner, story, {"do": "edit_scene", "scene": scene, "changes": wanted})


def move_scene(studio: Studio, owner: str, story: str, scene: str, index: int) -> Json:
    """Puts a scene at place INDEX, from 0."""
    return studio.edit(owner, story, {"do": "move_scene", "scene": scene, "index": index})


def duplicate_scene(studio: Studio, owner: str, story: str, scene: str) -> Json:
    """A copy of a scene right after it."""
    return studio.edit(owner, story, {"do": "duplicate_scene", "scene": scene})


def remove_scene(studio: Studio, owner: str, story: str, scene: str) -> Json:
    """Deletes a scene; undo brings it back."""
    return studio.edit(owner, story, {"do": "remove_scene", "scene": scene})


def pin_word(studio: Studio, owner: str, story: str, scene: str, past: str, word: str) -> Json:
    """Lets a scene keep a word of the earlier scene PAST, whatever the filter says."""
    return _override(studio, owner, story, "pin_word", scene, past, word)


def mute_word(studio: Studio, owner: str, story: str, scene: str, past: str, word: str) -> Json:
    """Lets a scene drop a word of the earlier scene PAST, whatever the filter says."""
    return _override(studio, owner, story, "mute_word", scene, past, word)


def _override(studio: Studio, owner: str, story: str, do: str, scene: str, past: str, word: str) -> Json:
    prompts = {found["id"]: found["prompt"] for found in studio.get_story(owner, story)["story"]["scenes"]}
    ref = {"scene": past, "text": word, "occurrence": 0}
    if word not in prompts.get(past, ""):
        raise ThroughlineError(f"word {word!r} is not in scene {past!r}")
    return studio.edit(owner, story, {"do": do, "scene": scene, "word": ref})


def undo(studio: Studio, owner: str, story: str) -> Json:
    """Takes the last edit back. Takes made since stay."""
    return studio.undo(owner, story)


def redo(studio: Studio, owner: str, story: str) -> Json:
    """Does again what undo took back."""
    return studio.redo(owner, story)


def plan(studio: Studio, owner: str, story: str) -> Json:
    """How every scene stands and what a render would do."""
    found = studio.standings(owner, story)
    scenes = {
        scene: {"state": s.state, "reasons": list(s.reasons), "needs": list(s.needs)} for scene, s in found.items()
    }
    return {"scenes": scenes, **studio.plan(owner, story)}


def render(studio: Studio, owner: str, story: str, scenes: list[str]) -> Iterator[Json]:
    """Renders scenes, or with none named all that are stale, and tells how it goes until it is over."""
    yield studio.render(owner, story, scenes or None)
    yield from studio.follow(owner, story)
    yield {**studio.get_story(owner, story), **plan(studio, owner, story)}


def cancel(studio: Studio, owner: str, story: str) -> Json:
    """Cancels what of a story is in line or being rendered."""
    return studio.cancel(owner, story)


def choose_take(studio: Studio, owner: str, story: str, scene: str, take: str) -> Json:
    """The take of a scene that is shown and remembered."""
    return studio.edit(owner, story, {"do": "choose_take", "scene": scene, "take": take})


def film(studio: Studio, owner: str, story: str, format: str = "mp4") -> Json:
    """An export: mp4, gif, sheet.png, sheet.pdf, clips.zip or story.zip. PATH in the answer is the file."""
    made = studio.film(owner, story, format)
    digest, _, suffix = made["url"].removeprefix("media/").partition("?")[0].partition(".")
    return {**made, "path": str(studio.media.path(digest, suffix))}


def export_story(studio: Studio, owner: str, story: str) -> Json:
    """A story with all its takes as one zip file, which import_story reads."""
    return film(studio, owner, story, "story.zip")


def import_story(studio: Studio, owner: str, archive: str) -> Json:
    """A new story from an archive: the path of a file, or its content in base64."""
    path = Path(archive) if len(archive) < 4096 else None
    data = base64.b64encode(path.read_bytes()).decode() if path and path.is_file() else archive
    return studio.import_story(owner, data)


VERBS: dict[str, Callable[..., Any]] = {
    verb.__name__: verb
    for verb in (new_story, list_stories, get_story, add_scene, edit_scene, move_scene, duplicate_scene, remove_scene,
                 pin_word, mute_word, undo, redo, plan, render, cancel, choose_take, film, export_story, import_story)
}  # fmt: skip


def parameters(verb: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a verb but studio and owner, with their types."""
    return list(inspect.signature(verb, eval_str=True).parameters.values())[2:]
