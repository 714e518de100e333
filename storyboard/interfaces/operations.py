"""What programs can do with stories: the same verbs in Python, from a shell and over HTTP. Ids in, plain JSON out.

Every function takes the studio and the owner first. `python -m storyboard VERB --help` and the API's page are made from
the signatures and docstrings here.
"""

from __future__ import annotations

import inspect
import json
import reprlib
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.errors import ThroughlineError

from ..studio import Studio
from .inputs import checked

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
        raise ThroughlineError(f"changes are {reprlib.repr(changes)}: expected JSON ({error})") from None
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
        raise ThroughlineError(f"word {reprlib.repr(word)} is not in scene {reprlib.repr(past)}")
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


def meter(studio: Studio, owner: str, story: str) -> Json:
    """The continuity meter: how alike every recurring mention looks to the first and the last time it was seen.
    Beside that, whether the scenes show their prompts and move, and what to look at again."""
    return studio.meter(owner, story, None)


def render(studio: Studio, owner: str, story: str, scenes: list[str]) -> Iterator[Json]:
    """Renders scenes, or with none named all that are stale, and tells how it goes until it is over. A caller that
    goes away stops nothing: cancel does. Raises ThroughlineError at the end if a scene failed."""
    yield {"plan": studio.render(owner, story, scenes or None)["plan"]}
    jobs: Json = {}
    for news in studio.follow(owner, story):
        told = {scene: {**job, "preview": ""} for scene, job in news["jobs"].items()}  # pictures are for pages
        if told != jobs:
            jobs = told
            yield {"jobs": jobs}
    yield {**studio.get_story(owner, story), **plan(studio, owner, story)}
    failed = [f"scene {scene!r} failed: {job['error']}" for scene, job in jobs.items() if job["state"] == "failed"]
    if failed:
        raise ThroughlineError(failed[0])


def cancel(studio: Studio, owner: str, story: str) -> Json:
    """Cancels what of a story is in line or being rendered."""
    return studio.cancel(owner, story)


def choose_take(studio: Studio, owner: str, story: str, scene: str, take: str) -> Json:
    """The take of a scene that is shown and remembered."""
    return studio.edit(owner, story, {"do": "choose_take", "scene": scene, "take": take})


def film(studio: Studio, owner: str, story: str, format: str = "mp4") -> Json:
    """An export: mp4, gif, sheet.png, sheet.pdf, clips.zip or story.zip. URL in the answer is where it is served."""
    return studio.film(owner, story, format)


def export_story(studio: Studio, owner: str, story: str) -> Json:
    """A story with all its takes as one zip file, which import_story reads."""
    return film(studio, owner, story, "story.zip")


def import_story(studio: Studio, owner: str, archive: str) -> Json:
    """A new story from the content of an archive, in base64. A shell gives the path of the file instead."""
    return studio.import_story(owner, archive)


VERBS: dict[str, Callable[..., Any]] = {
    verb.__name__: checked(verb)
    for verb in (new_story, list_stories, get_story, add_scene, edit_scene, move_scene, duplicate_scene, remove_scene,
                 pin_word, mute_word, undo, redo, plan, meter, render, cancel, choose_take, film, export_story,
                 import_story)
}  # fmt: skip


def parameters(verb: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a verb but studio and owner, with their types."""
    return list(inspect.signature(verb, eval_str=True).parameters.values())[2:]
