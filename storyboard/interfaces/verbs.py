"""What programs can do with stories: the same verbs in Python, from a shell, over HTTP and as tools. Ids in, plain JSON
out.

Every function takes the studio and the owner first. Edits that programs have as they are come from `edits`.
"""

from __future__ import annotations

import base64
import json
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.errors import ThroughlineError
from pipeline.language.mentions import is_content

from ..continuity.table import continuity_table
from ..document.occurrences import occurrences
from ..operations import edits  # noqa: F401  some of them are verbs as they are
from ..operations.arguments import (
    Across,
    Archive,
    ArchiveFile,
    Clip,
    ClipFile,
    Down,
    EditSeed,
    FileName,
    FilmScenes,
    FitInto,
    Format,
    HistoryWeight,
    Json,
    Owner,
    PastId,
    Prompt,
    Prompts,
    Regions,
    SceneId,
    Scenes,
    Sought,
    SoundData,
    SoundFile,
    StoryId,
    TakeId,
    TextWeight,
    Title,
    Variants,
    Word,
)
from ..operations.registry import for_programs
from ..operations.waiting import waiting
from . import cast_verbs, picture_verbs  # noqa: F401  define more of them

if TYPE_CHECKING:  # it loads what --help need not wait for
    from ..studio import Studio

AT_THE_END = "A place among the scenes, from 0; -1 for the end"


# --- stories ---------------------------------------------------------------------------------------------------------


@for_programs()
def new_story(studio: Studio, owner: Owner, title: Title, prompts: Prompts) -> Json:
    """A story with a scene for every prompt."""
    return studio.new_story(owner, title, prompts)


@for_programs()
def list_stories(studio: Studio, owner: Owner) -> Json:
    """The owner's stories, the last changed first."""
    return studio.stories(owner)


@for_programs()
def get_story(studio: Studio, owner: Owner, story: StoryId) -> Json:
    """A story with its scenes and their takes."""
    return studio.get_story(owner, story)


@for_programs()
def export_story(studio: Studio, owner: Owner, story: StoryId) -> Json:
    """A story with all its takes as one zip file, which import_story reads."""
    return studio.film(owner, story, "story.zip")


def import_file(studio: Studio, owner: Owner, archive: ArchiveFile) -> Json:
    """A new story from an archive of any size, or from a script or shot list, by the ending of the file's name."""
    return studio.import_file(owner, Path(archive))


@for_programs(shell=import_file)
def import_story(studio: Studio, owner: Owner, archive: Archive, name: FileName = "story.zip") -> Json:
    """A new story from the content of an archive, in base64, or of a script or shot list, with its NAME for the ending.
    UNUSED in the answer is what of a script is in no scene. A shell gives the path of the file instead."""
    return studio.import_story(owner, archive, name)


def import_clip_file(
    studio: Studio,
    owner: Owner,
    story: StoryId,
    scene: SceneId,
    clip: ClipFile,
    fit: FitInto = "fit",
    across: Across = 0.5,
    down: Down = 0.5,
) -> Json:
    """A clip or a picture of your own as a scene, a file."""
    try:
        data = base64.b64encode(Path(clip).read_bytes()).decode()
    except OSError as error:
        raise ThroughlineError(f"clip {clip!r} can't be read: {error.strerror}") from None
    return studio.import_clip(owner, story, scene, data, Path(clip).name, fit=fit, across=across, down=down)


@for_programs(shell=import_clip_file)
def import_clip(
    studio: Studio,
    owner: Owner,
    story: StoryId,
    scene: SceneId,
    clip: Clip,
    fit: FitInto = "fit",
    across: Across = 0.5,
    down: Down = 0.5,
) -> Json:
    """A clip or a picture of your own as a scene, in base64. A shell gives the path of the file instead."""
    return studio.import_clip(owner, story, scene, clip, "clip.mp4", fit=fit, across=across, down=down)


# --- edits in words for programs -------------------------------------------------------------------------------------


@for_programs()
def add_scene(
    studio: Studio,
    owner: Owner,
    story: StoryId,
    prompt: Prompt,
    index: Annotated[int, Field(description=AT_THE_END)] = -1,
) -> Json:
    """A new scene before scene INDEX, from 0; at the end for -1."""
    op = {"do": "add_scene", "index": None if index < 0 else index, "fields": {"prompt": prompt}}
    return studio.edit(owner, story, op)


@for_programs()
def pin_word(studio: Studio, owner: Owner, story: StoryId, scene: SceneId, past: PastId, word: Word) -> Json:
    """Lets a scene keep a word of the earlier scene PAST, whatever the filter says."""
    return _override(studio, owner, story, "pin_word", scene, past, word)


@for_programs()
def mute_word(studio: Studio, owner: Owner, story: StoryId, scene: SceneId, past: PastId, word: Word) -> Json:
    """Lets a scene drop a word of the earlier scene PAST, whatever the filter says."""
    return _override(studio, owner, story, "mute_word", scene, past, word)


def _override(studio: Studio, owner: str, story: str, do: str, scene: str, past: str, word: str) -> Json:
    now = studio.get_story(owner, story)["story"]
    prompts = {found["id"]: found["prompt"] for found in now["scenes"]}
    prompts |= {entry["id"]: "\n".join([entry["name"], *entry["others"]]) for entry in now["cast"]}
    prompt = prompts.get(past, "")
    if word not in prompt:
        raise ThroughlineError(f"word {reprlib.repr(word)} is not in scene {reprlib.repr(past)}")
    number = 0
    if past not in {entry["id"] for entry in now["cast"]}:
        places = enumerate(occurrences(prompt, word))
        found = next((k for k, start in places if is_content(prompt, start, start + len(word))), None)
        if found is None:
            raise ThroughlineError(f"word {reprlib.repr(word)} cannot be pinned or muted: expected a content word")
        number = found
    ref = {"scene": past, "text": word, "occurrence": number}
    return studio.edit(owner, story, {"do": do, "scene": scene, "word": ref})


@for_programs()
def undo(studio: Studio, owner: Owner, story: StoryId) -> Json:
    """Takes the last edit back. Takes made since stay."""
    return studio.undo(owner, story)


@for_programs()
def redo(studio: Studio, owner: Owner, story: StoryId) -> Json:
    """Does again what undo took back."""
    return studio.redo(owner, story)


# --- the film --------------------------------------------------------------------------------------------------------


def music_file(studio: Studio, owner: Owner, story: StoryId, sound: SoundFile) -> Json:
    """Music under the whole film, from a file."""
    return studio.music_file(owner, story, _file(sound))


@for_programs(shell=music_file)
def import_music(studio: Studio, owner: Owner, story: StoryId, sound: SoundData) -> Json:
    """Music under the whole film, from a sound file in base64. A shell gives the path of the file instead."""
    return studio.import_music(owner, story, sound)


def voice_file(studio: Studio, owner: Owner, story: StoryId, scene: SceneId, sound: SoundFile) -> Json:
    """A voice over a scene, from a file."""
    return studio.voice_file(owner, story, scene, _file(sound))


@for_programs(shell=voice_file)
def import_voice(studio: Studio, owner: Owner, story: StoryId, scene: SceneId, sound: SoundData) -> Json:
    """A voice over a scene, from a sound file in base64. A shell gives the path of the file instead."""
    return studio.import_voice(owner, story, scene, sound)


def _file(path: str) -> Path:
    if not Path(path).is_file():
        raise ThroughlineError(f"sound {path!r} does not exist: expected a file")
    return Path(path)


@for_programs()
def timeline(studio: Studio, owner: Owner, story: StoryId) -> Json:
    """What is in the film, from when on and for how long, with captions and sounds: as an export would have it."""
    return studio.timeline(owner, story)


# --- rendering -------------------------------------------------------------------------------------------------------


@for_programs()
def plan(studio: Studio, owner: Owner, story: StoryId) -> Json:
    """How every scene stands and what a render would do."""
    found = studio.standings(owner, story)
    scenes = {
        scene: {"state": s.state, "reasons": list(s.reasons), "needs": list(s.needs)} for scene, s in found.items()
    }
    return {"scenes": scenes, **studio.plan(owner, story)}


def render_steps(
    studio: Studio, owner: Owner, story: StoryId, scenes: Scenes, variants: Variants = 1
) -> Iterator[Json]:
    """As `render`, but it never waits: {} where nothing is new."""
    yield {"plan": studio.render(owner, story, scenes or None, variants=variants)["plan"]}
    yield from _followed(studio, owner, story)


def _followed(studio: Studio, owner: str, story: str) -> Iterator[Json]:
    """How the jobs of a story go, and at the end how the story stands. Raises ThroughlineError if a scene failed."""
    jobs: Json = {}
    for news in studio.follow_steps(owner, story):
        now = news.get("jobs", jobs)
        told = {scene: {**job, "preview": ""} for scene, job in now.items()}  # pictures are for pages
        if told != jobs:
            jobs = told
            yield {"jobs": jobs}
        elif not news:
            yield {}
    yield {**studio.get_story(owner, story), **plan(studio, owner, story)}
    failed = [f"scene {scene!r} failed: {job['error']}" for scene, job in jobs.items() if job["state"] == "failed"]
    if failed:
        raise ThroughlineError(failed[0])


@for_programs(command="render-story", steps=render_steps)  # `render` makes a film from prompts
def render(studio: Studio, owner: Owner, story: StoryId, scenes: Scenes, variants: Variants = 1) -> Iterator[Json]:
    """Renders scenes, or with none named all that are stale, and tells how it goes until it is over. A caller that
    goes away stops nothing: cancel does. Raises ThroughlineError at the end if a scene failed."""
    yield from waiting(render_steps(studio, owner, story, scenes, variants))


def edit_steps(
    studio: Studio, owner: Owner, story: StoryId, scene: SceneId, take: TakeId, regions: Regions, seed: EditSeed = 0
) -> Iterator[Json]:
    """As `edit_take`, but it never waits: {} where nothing is new."""
    try:
        asked = json.loads(regions)
    except ValueError as error:
        raise ThroughlineError(f"regions are {reprlib.repr(regions)}: expected JSON ({error})") from None
    if not isinstance(asked, list) or not all(isinstance(region, dict) for region in asked):
        raise ThroughlineError(f"regions are {reprlib.repr(regions)}: expected a list of JSON objects")
    yield studio.edit_take(owner, story, scene, take, asked, seed)
    yield from _followed(studio, owner, story)


@for_programs(steps=edit_steps)
def edit_take(
    studio: Studio, owner: Owner, story: StoryId, scene: SceneId, take: TakeId, regions: Regions, seed: EditSeed = 0
) -> Iterator[Json]:
    """Changes regions of a take by new words for each, and tells how it goes until it is over. The rest of the clip
    stays as it is. Raises ThroughlineError at the end if it failed."""
    yield from waiting(edit_steps(studio, owner, story, scene, take, regions, seed))


@for_programs()
def sketch(
    studio: Studio, owner: Owner, story: StoryId, scene: SceneId, text_weight: TextWeight, history_weight: HistoryWeight
) -> Json:
    """A live sketch: the scene with these weights as a small student of the model makes it in 4 steps, a moving picture
    as a data URL. It is no take, and nothing is stored; rendering makes the exact take."""
    return studio.sketch(owner, story, scene, text_weight, history_weight)


@for_programs(command=None)  # interrupting a render cancels it
def cancel(studio: Studio, owner: Owner, story: StoryId) -> Json:
    """Cancels what of a story is in line, being rendered or being finished."""
    studio.finish_cancel(owner, story)
    return studio.cancel(owner, story)


@for_programs(table=continuity_table)
def meter(studio: Studio, owner: Owner, story: StoryId) -> Json:
    """The continuity meter: how alike every recurring mention looks to the first and the last time it was seen.
    Beside that, whether the scenes show their prompts and move, and what to look at again."""
    return studio.meter(owner, story, None)


@for_programs()
def find(studio: Studio, owner: Owner, story: StoryId, words: Sought) -> Json:
    """Where in the film something is, the likeliest first: scene, frames and seconds, boxes as shares of the picture,
    score, and of the first ones a preview with the box. No hits mean that it is not there. Knows the world of the
    picture book."""
    return studio.find(owner, story, words)


def finish_steps(studio: Studio, owner: Owner, story: StoryId, scenes: FilmScenes) -> Iterator[Json]:
    """As `finish`, but it never waits: {} where nothing is new."""
    for news in studio.finish_steps(owner, story, scenes or None):
        for scene in news["finishing"]["scenes"] if news else ():
            if clip := scene.pop("clip", ""):
                scene["url"] = clip
        yield news


@for_programs(steps=finish_steps)
def finish(studio: Studio, owner: Owner, story: StoryId, scenes: FilmScenes) -> Iterator[Json]:
    """Finishes clips: draws them larger, and at the film's frames a second, for a finished film. Tells how it goes
    until it is over; what is finished already is not made again. URL in the answer is where a clip is served. Raises
    ThroughlineError at the end if a clip failed."""
    yield from waiting(finish_steps(studio, owner, story, scenes))


@for_programs()
def film(studio: Studio, owner: Owner, story: StoryId, format: Format = "mp4") -> Json:
    """An export of a story: a film, a sheet, a file for other programs. URL in the answer is where it is served. A
    finished film waits until its clips are finished."""
    return studio.film(owner, story, format)
