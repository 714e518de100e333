"""Edits about what a scene keeps of itself: pure functions Board -> Story.

When the words of a scene are edited, the take that it showed until then is noted as its former one. Whether it keeps
the rest of that is decided by how many words differ (`former.few_words_changed`), unless somebody says so.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from typing import Any

from pipeline.errors import ThroughlineError

from . import edits
from .conditioning import Past, beginning_of, is_first_picture
from .former import FormerTake
from .story import Board, Scene, Story, Take


def edit_scene(board: Board, scene_id: str, **changes: Any) -> Story:
    """`edits.edit_scene`; other words let the scene know what it showed before. With the words of a take that is there
    it is once more what that take was made from."""
    before, story = board.story.scene(scene_id), edits.edit_scene(board.story, scene_id, **changes)
    prompt = story.scene(scene_id).prompt
    return story if prompt == before.prompt else edits.set_keep(story, scene_id, _kept_after(board, before, prompt))


def keep_rest(board: Board, scene_id: str, on: bool) -> Story:
    """Whether a scene keeps the rest of its former take. Raises ThroughlineError if there is nothing to keep."""
    scene = board.story.scene(scene_id)
    keep = offered(board, scene)
    if keep is None:
        raise ThroughlineError("there is nothing to keep: expected a scene with other words than its take")
    return edits.set_keep(board.story, scene_id, keep.model_copy(update={"on": on}))


def offered(board: Board, scene: Scene) -> FormerTake | None:
    """What a scene may keep the rest of; None if its take shows its present words, and for a clip of the user's own."""
    keep = scene.keep or former_take(board, scene)
    return None if keep is None or keep.prompt == scene.prompt or not scene.prompt.strip() else keep


def former_take(board: Board, scene: Scene) -> FormerTake | None:
    """What the chosen take offers to its scene once that has other words; None for a clip of the user's own. By itself
    it is kept only if what it remembers is still as it was: what changed there is to be seen in the next take."""
    take = board.chosen(scene)
    if take is None or take.conditioning is None:
        return None
    on = None if _remembers_what_is_there(board, take) else False
    keyframe = board.keyframe(scene) or take.keyframe
    return FormerTake(take=take.id, prompt=take.conditioning.prompt, keyframe=keyframe, on=on)


def kept_by(board: Board, take: Take) -> FormerTake | None:
    """The former take whose rest a take kept."""
    own, made_from = take.own_memory, take.conditioning
    if own is None or own.keyframe is None or made_from is None or is_first_picture(own, made_from):
        return None
    made = board.made_first.get((own.prompt, own.keyframe))
    return FormerTake(take=made, prompt=own.prompt, keyframe=own.keyframe, on=True)


def prompt_of(take: Take) -> str | None:
    """The words that a take was made from; None for a clip of the user's own."""
    return take.conditioning.prompt if take.conditioning else None


def _kept_after(board: Board, scene: Scene, prompt: str) -> FormerTake | None:
    """scene: as it was; prompt: its words now."""
    same = next((take for take in reversed(board.takes_of(scene.id)) if prompt_of(take) == prompt), None)
    if same:
        return kept_by(board, same)
    shown = board.chosen(scene)
    if shown is None or (scene.keep and prompt_of(shown) != scene.prompt):
        return scene.keep  # the words were edited before, after the take
    return former_take(board, scene)


def _remembers_what_is_there(board: Board, take: Take) -> bool:
    """Whether the pictures that a take remembers are those that it would remember now, and those between which it lies;
    of the cast, pictures that are still there."""
    scene, made_from = board.story.scene(take.scene), take.conditioning
    ends = [picture.file if picture else None for picture in (scene.first_picture, scene.last_picture)]
    began = made_from and (made_from.beginning, made_from.first_picture, made_from.last_picture)
    beginning = beginning_of(board, scene)
    if made_from and began != (beginning, None if beginning else ends[0], ends[1]):
        return False
    now = {scene.id: (scene.prompt, board.keyframe(scene)) for scene in board.story.scenes}
    pictures = {entry.id: {picture.file for picture in entry.pictures} for entry in board.story.cast}
    now |= {one.id: (one.prompt, one.keyframe) for one in Past.of(board, take.scene).drawn}
    others = [m for m in take.conditioning.memories if m.scene != take.scene] if take.conditioning else []
    return all(
        memory.keyframe in pictures[memory.scene]
        if memory.scene in pictures
        else now.get(memory.scene) == (memory.prompt, memory.keyframe)
        for memory in others
    )
