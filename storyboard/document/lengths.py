"""Whether the words of a scene fit into what a model's text encoder takes, the one rule for everything that is typed or
imported; how many frames a clip may have, and whether it may go on from another.

Imports neither torch nor gradio: what counts is given (`pipeline.backbones.counting.TokenCounter`).
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.encoders.limit import CountsTokens, text_length
from pipeline.errors import ThroughlineError, TooLongError

from .story import Scene, Story

FIELDS = {"prompt": "prompt", "negative_prompt": "negative prompt"}  # what an encoder reads, and what it is called


def check_scene(encoder: CountsTokens, scene: Scene) -> None:
    """Raises TooLongError for a scene that can't be rendered: its words would be cut silently."""
    for field, name in FIELDS.items():
        text_length(encoder, getattr(scene, field)).check(name)


def check_new(encoder: CountsTokens, story: Story) -> None:
    """Raises ThroughlineError for the first scene of a new story that is too long, with its number."""
    for number, scene in enumerate(story.scenes, 1):
        try:
            check_scene(encoder, scene)
        except TooLongError as error:
            raise ThroughlineError(f"scene {number}: {error}") from None


def check_edit(encoder: CountsTokens, before: Story, after: Story) -> None:
    """Raises TooLongError for words that an edit brings and that are too long. What a story has already stays."""
    for field, name in FIELDS.items():
        known = {getattr(scene, field) for scene in before.scenes}
        for text in dict.fromkeys(getattr(scene, field) for scene in after.scenes):
            if text not in known:
                text_length(encoder, text).check(name)


def check_frames(period: Callable[[], int], before: Story, after: Story) -> None:
    """Raises ThroughlineError for a number of frames that an edit brings and that the model's family can't make. What a
    story has already stays. period: see `pipeline.backbones.base.Native`; asked where there is something to check."""
    known = {scene.num_frames for scene in before.scenes}
    for frames in dict.fromkeys(scene.num_frames for scene in after.scenes):
        if frames not in known and (frames - 1) % period():
            expected = f"{period()} k + 1, such as {period() * 4 + 1}"
            raise ThroughlineError(f"num_frames is {frames}: expected {expected}")


def check_seams(continues: Callable[[], bool], before: Story, after: Story) -> None:
    """Raises ThroughlineError for a seam that an edit brings and that the model can't make. continues: whether it goes
    on from frames; asked where there is something to check."""
    known = {scene.id for scene in before.scenes if scene.seam.kind == "continue"}
    asked = any(scene.seam.kind == "continue" and scene.id not in known for scene in after.scenes)
    if asked and not continues():
        raise ThroughlineError("kind is 'continue': expected another seam, this model does not go on from frames")
