"""Edits: pure functions Story -> Story. They raise ThroughlineError for what can't be done and change nothing then.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from pipeline.errors import ThroughlineError

from .cast.castings import is_casting
from .film import FilmSettings, Music, Shot, Sound, Voice
from .former import FormerTake
from .story import (
    MOST_OF_A_SCENE,
    MOST_SEEDS,
    TOLD,
    Board,
    KeyframeChoice,
    RememberedScene,
    Scene,
    ScenePicture,
    Story,
    Take,
    WordRef,
)
from .values import Value, new_id, parse

SCENE_FIELDS = frozenset(
    [
        "prompt",
        "negative_prompt",
        "guidance",
        "seed",
        "new_seed",
        "steps",
        "num_frames",
        "streamed",
        "threshold",
        "locked",
        "seam",
        "shot",
        "script",
    ]
)  # what edit_scene may change; everything else has an edit of its own
STORY_FIELDS = frozenset(["title", "model", "width", "height", "captions"])

WhichPicture = Literal["first", "last"]
T = TypeVar("T", Story, Scene)
E = TypeVar("E")
N = TypeVar("N", WordRef, RememberedScene)


def new_story(title: str = "Untitled", prompts: Iterable[str] = (), **fields: Any) -> Story:
    """A story with a scene a prompt; scene k, from 0, has seed k."""
    scenes = [{"id": new_id(), "prompt": prompt, "seed": seed} for seed, prompt in enumerate(prompts)]
    return parse(Story, {"id": new_id(), "title": title, "scenes": scenes, **fields})


def edit_story(story: Story, **changes: Any) -> Story:
    """Changes fields of the story itself."""
    _only(changes, STORY_FIELDS, "story")
    for name in ("width", "height"):
        if type(value := changes.get(name)) is int and value % 2:
            raise ThroughlineError(f"{name} is {value}: expected an even number of pixels, as video files have")
    return _changed(story, **changes)


def fit(story: Story, before: Mapping[str, Any], after: Mapping[str, Any]) -> Story:
    """The story for another model: what is still as suited the former one, `before`, becomes what suits the new one,
    `after` (see `pipeline.backbones.base.Native`). What somebody chose stays."""
    if (story.width, story.height) == (before["width"], before["height"]):
        story = edit_story(story, width=after["width"], height=after["height"])
    for scene in story.scenes:
        changes = {name: after[name] for name in ("num_frames", "steps") if getattr(scene, name) == before[name]}
        weights = {name: after[name] for name in ("text", "history") if getattr(scene.guidance, name) == before[name]}
        story = edit_scene(story, scene.id, **changes, guidance=weights)
    return story


def add_scene(story: Story, index: int | None = None, **fields: Any) -> Story:
    """A new scene before scene `index`, from 0; at the end for None. It takes its settings from the one before it."""
    place = _place(index, len(story.scenes))
    settings: dict[str, Any] = {}
    if story.scenes:
        like = story.scenes[max(0, place - 1)]
        settings = {"guidance": like.guidance, "steps": like.steps, "num_frames": like.num_frames}
        settings["seed"] = (max(scene.seed for scene in story.scenes) + 1) % MOST_SEEDS
    new = parse(Scene, {"id": new_id(), **settings})
    return _inserted(story, place, parse(Scene, _merged(new, fields)))


def duplicate_scene(story: Story, scene_id: str, copy_id: str | None = None) -> Story:
    """A copy right after a scene: its words and settings, unlocked. It gets its take by `copied_take`."""
    scene, new = story.scene(scene_id), copy_id or new_id()
    own = tuple(choice.model_copy(update={"take": new}) for choice in scene.keyframes if choice.take == scene.chosen)
    bare: dict[str, object] = {"id": new, "chosen": None, "removed": (), "keyframes": own, "locked": False}
    bare |= {name: tuple(_about(word, scene_id, new) for word in getattr(scene, name)) for name in ("pins", "mutes")}
    bare["muted_scenes"] = tuple(new if other == scene_id else other for other in scene.muted_scenes)
    return _inserted(story, story.index(scene_id) + 1, _changed(scene, **bare))


def copied_take(board: Board, scene_id: str, copy: Scene) -> Take | None:
    """The chosen take of a scene as the take of its copy, by the copy's id: the same files. None if there is none.
    Whether it is fresh there is decided as for any take."""
    take = board.chosen(board.story.scene(scene_id))
    if take is None:
        return None
    conditioning = take.conditioning
    if conditioning and take.own_memory:  # of what the scene was before, as the copy was
        memories = tuple(_about(memory, scene_id, copy.id) for memory in conditioning.memories)
        conditioning = conditioning.model_copy(update={"memories": memories})
    return take.model_copy(update={"id": copy.id, "scene": copy.id, "conditioning": conditioning})


def _about(named: N, scene: str, other: str) -> N:
    """What names a scene, naming another one in its place."""
    return named.model_copy(update={"scene": other}) if named.scene == scene else named


def remove_scene(story: Story, scene_id: str) -> Story:
    """The story without a scene, and without what other scenes said about it."""
    story.index(scene_id)
    return _with(story, [_forget(scene, scene_id) for scene in story.scenes if scene.id != scene_id])


def move_scene(story: Story, scene_id: str, index: int) -> Story:
    """A scene at another place, counted from 0 in the story that comes of it."""
    scene = story.scene(scene_id)
    rest = [other for other in story.scenes if other.id != scene_id]
    place = _place(index, len(rest))
    return _with(story, [*rest[:place], scene, *rest[place:]])


def edit_scene(story: Story, scene_id: str, **changes: Any) -> Story:
    """Changes fields of a scene; those of several parts, such as `guidance`, may be given in part. What a scene keeps
    of itself stays as it is: see `keeping`."""
    _only(changes, SCENE_FIELDS, "scene")
    scene = parse(Scene, _merged(story.scene(scene_id), changes))
    if "seam" in changes and scene.seam.kind == "continue" and scene.first_picture:
        raise ThroughlineError("kind is 'continue': expected another seam, the scene begins with a picture of its own")
    return _replaced(story, scene)


def set_picture(story: Story, scene_id: str, which: WhichPicture, picture: ScenePicture | None) -> Story:
    """The picture with which a scene begins or ends; None for none. Raises ThroughlineError for a first picture of a
    scene that continues the one before it."""
    scene, changes = story.scene(scene_id), dict[str, Any]({f"{which}_picture": picture})
    if which == "first" and picture and scene.seam.kind == "continue":
        if story.index(scene_id):
            raise ThroughlineError("the scene continues the one before it: expected another seam for a first picture")
        changes["seam"] = scene.seam.model_copy(update={"kind": "cut"})  # it had no effect
    before, keep = getattr(scene, f"{which}_picture"), scene.keep
    if (before and before.file) != (picture and picture.file):
        if keep and keep.on is None:  # by itself nothing is kept of what lay between other pictures
            changes["keep"] = keep.model_copy(update={"on": False})
        if which == "first" and before and not (keep and keep.kept_for(scene.prompt)):
            changes |= {n: tuple(w for w in getattr(scene, n) if w.scene != scene_id) for n in ("pins", "mutes")}
            changes["muted_scenes"] = _without(scene.muted_scenes, scene_id)  # it was said of that picture
    return _replaced(story, scene.model_copy(update=changes))


def set_keep(story: Story, scene_id: str, keep: FormerTake | None) -> Story:
    """What a scene showed before its words were edited."""
    return _replaced(story, story.scene(scene_id).model_copy(update={"keep": keep}))


# --- the film --------------------------------------------------------------------------------------------------------


def edit_film(story: Story, **changes: Any) -> Story:
    """Changes fields of `FilmSettings`. Cards and music may be given in part; music None takes it away."""
    _check_sound("music", story.film.music, changes)
    return _changed(story, film=parse(FilmSettings, _merged(story.film, changes)))


def edit_shot(story: Story, scene_id: str, **changes: Any) -> Story:
    """Changes fields of a scene's `Shot`. Its voice may be given in part; None takes it away."""
    scene = story.scene(scene_id)
    _check_sound("voice", scene.shot.voice, changes)
    return _replaced(story, _changed(scene, shot=parse(Shot, _merged(scene.shot, changes))))


def set_music(story: Story, file: str, name: str, seconds: float) -> Story:
    """Music for the film, with the settings of the music before it. file: digest; seconds: how long it is."""
    before = {} if story.film.music is None else dict(story.film.music)
    music = parse(Music, {**before, "file": file, "name": name, "seconds": seconds})
    return _changed(story, film=story.film.model_copy(update={"music": music}))


def set_voice(story: Story, scene_id: str, file: str, name: str, seconds: float) -> Story:
    """A voice over a scene, with the settings of the voice before it."""
    scene = story.scene(scene_id)
    before = {} if scene.shot.voice is None else dict(scene.shot.voice)
    voice = parse(Voice, {**before, "file": file, "name": name, "seconds": seconds})
    return _replaced(story, _changed(scene, shot=scene.shot.model_copy(update={"voice": voice})))


def _check_sound(part: str, there: Sound | None, changes: Mapping[str, Any]) -> None:
    """Raises ThroughlineError for changes of a sound that is not there, and of what only its file decides."""
    given = changes.get(part)
    if not isinstance(given, Mapping):
        return
    if there is None:
        raise ThroughlineError(f"there is no {part} yet: expected a file to be imported first")
    for name in sorted({"file", "name", "seconds"} & given.keys()):
        raise ThroughlineError(f"{name} of the {part} can't be edited: expected another file to be imported")


def _merged(value: Value, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a value with some changed; values among them may be given in part."""
    fields = dict(value)
    for name, new in changes.items():
        old = fields.get(name)
        fields[name] = _merged(old, new) if isinstance(old, Value) and isinstance(new, Mapping) else new
    return fields


# --- what is remembered ----------------------------------------------------------------------------------------------


def pin_word(story: Story, scene_id: str, word: WordRef) -> Story:
    """A scene keeps a word of an earlier one, whatever the filter says."""
    _check_earlier(story, scene_id, word)
    return _override(story, scene_id, word, "pins")


def mute_word(story: Story, scene_id: str, word: WordRef) -> Story:
    """A scene drops a word of an earlier one, whatever the filter says."""
    _check_earlier(story, scene_id, word)
    return _override(story, scene_id, word, "mutes")


def release_word(story: Story, scene_id: str, word: WordRef) -> Story:
    """Leaves a word to the filter again, wherever its scene is now."""
    return _override(story, scene_id, word, None)


def _override(story: Story, scene_id: str, word: WordRef, into: Literal["pins", "mutes"] | None) -> Story:
    scene = story.scene(scene_id)
    changes = {name: _without(getattr(scene, name), word) for name in ("pins", "mutes") if name != into}
    if into:
        changes[into] = _including(getattr(scene, into), word)
    return _replaced(story, scene.model_copy(update=changes))


def _check_earlier(story: Story, scene_id: str, word: WordRef) -> None:
    if story.has_entry(word.scene) or is_casting(word.scene):  # pictures are before every scene
        return
    own = story.scene(scene_id)
    if word.scene == scene_id and (own.keep or own.first_picture):
        return
    if story.index(word.scene) >= story.index(scene_id):
        raise ThroughlineError(
            f"{word.text[:40]!r} is not in a scene before this one: only earlier scenes are remembered"
        )


def mute_scene(story: Story, scene_id: str, muted: str, on: bool = True) -> Story:
    """A scene remembers nothing of another one, or does so again."""
    scene = story.scene(scene_id)
    if not story.has_entry(muted) and not is_casting(muted):
        story.index(muted)
    others = _including(scene.muted_scenes, muted) if on else _without(scene.muted_scenes, muted)
    return _replaced(story, scene.model_copy(update={"muted_scenes": others}))


# --- takes -----------------------------------------------------------------------------------------------------------


def choose_take(story: Story, scene_id: str, take_id: str | None) -> Story:
    """The take that is shown and remembered, brought back if it was removed; None for none."""
    scene = story.scene(scene_id)
    return _replaced(story, _changed(scene, chosen=take_id, removed=_without(scene.removed, take_id)))


def remove_take(story: Story, scene_id: str, take_id: str, instead: str | None = None) -> Story:
    """Takes a take away; `instead` is chosen if it was the chosen one."""
    scene = story.scene(scene_id)
    if instead == take_id:
        raise ThroughlineError(f"take {take_id!r} can't stand in for itself: expected another one, or none")
    chosen = instead if scene.chosen == take_id else scene.chosen
    return _replaced(story, _changed(scene, chosen=chosen, removed=_including(scene.removed, take_id)))


def choose_keyframe(story: Story, scene_id: str, take_id: str, index: int, keyframe: str) -> Story:
    """The frame, with its picture's digest, by which later scenes remember a take."""
    scene = story.scene(scene_id)
    choice = parse(KeyframeChoice, {"take": take_id, "index": index, "keyframe": keyframe})
    others = tuple(other for other in scene.keyframes if other.take != take_id or other == choice)
    return _replaced(story, scene.model_copy(update={"keyframes": _including(others, choice)}))


# --- parts -----------------------------------------------------------------------------------------------------------


def _only(changes: dict[str, Any], names: frozenset[str], what: str) -> None:
    for name in changes.keys() - names:
        raise ThroughlineError(f"{name!r} of a {what} can't be edited: expected one of {', '.join(sorted(names))}")


def _changed(value: T, **changes: Any) -> T:
    """A copy with checked changes."""
    return parse(type(value), {**{name: getattr(value, name) for name in type(value).model_fields}, **changes})


def _replaced(story: Story, scene: Scene) -> Story:
    _check_room(story.scene(scene.id), scene)
    return _with(story, [scene if other.id == scene.id else other for other in story.scenes])


def _check_room(before: Scene, after: Scene) -> None:
    """Raises ThroughlineError for an edit that lets a scene hold more than an archive of it may."""
    for name, most in MOST_OF_A_SCENE.items():
        count = len(getattr(after, name))
        if count > max(most, len(getattr(before, name))):
            raise ThroughlineError(f"the scene would have {count} {TOLD.get(name, name)}: expected at most {most}")


def _inserted(story: Story, place: int, scene: Scene) -> Story:
    return _with(story, [*story.scenes[:place], scene, *story.scenes[place:]])


def _with(story: Story, scenes: Sequence[Scene]) -> Story:
    return _changed(story, scenes=tuple(scenes))


def _place(index: int | None, last: int) -> int:
    if index is None:
        return last
    if type(index) is not int or not 0 <= index <= last:
        raise ThroughlineError(f"place {index!r} is not in the story: expected 0 to {last}")
    return index


def _including(items: tuple[E, ...], item: E) -> tuple[E, ...]:
    return items if item in items else (*items, item)


def _without(items: tuple[E, ...], item: Any) -> tuple[E, ...]:
    return tuple(other for other in items if other != item)


def _forget(scene: Scene, gone: str) -> Scene:
    return scene.model_copy(
        update={
            "pins": tuple(word for word in scene.pins if word.scene != gone),
            "mutes": tuple(word for word in scene.mutes if word.scene != gone),
            "muted_scenes": _without(scene.muted_scenes, gone),
        }
    )
