"""What the tests of stored stories share: two owners, small edits and takes."""

from collections.abc import Callable

from storyboard.document import edits
from storyboard.document.story import Conditioning, GuidanceSettings, RememberedScene, Story, Take, new_id
from storyboard.store.library import Library
from storyboard.store.schema import Head

ME, YOU = "my secret", "your secret"


def titled(title: str) -> Callable[[Story], Story]:
    return lambda story: edits.edit_story(story, title=title)


def take_of(scene: str, letter: str = "a", **fields: object) -> Take:
    return Take(
        id=new_id(),
        scene=scene,
        clip=letter * 64,
        preview=letter * 64,
        keyframe=letter * 64,
        keyframe_index=0,
        num_frames=17,
        width=144,
        height=96,
        frames_per_second=8,
        **fields,
    )


def made_from(prompt: str, memories: tuple[RememberedScene, ...] = ()) -> Conditioning:
    """What a take of a model "m" was made from, of the size of `take_of`."""
    return Conditioning(
        model="m",
        prompt=prompt,
        negative_prompt="",
        guidance=GuidanceSettings(),
        width=144,
        height=96,
        num_frames=17,
        rows=(),
        memories=memories,
    )


def new(library: Library, *prompts: str, owner: str = ME) -> Story:
    return library.create(owner, edits.new_story("0", prompts)).board.story


def seen(head: Head) -> tuple[object, ...]:
    """Everything of a head, comparable."""
    return (
        head.board.story,
        list(head.board.takes.values()),
        head.rev,
        head.can_undo,
        head.can_redo,
        head.undo_label,
        head.redo_label,
    )
