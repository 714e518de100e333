"""Takes that are there already, and whether one that comes in is still wanted."""

from __future__ import annotations

from ...document import edits
from ...document.story import Board, Conditioning, Scene, Story, Take, cache_key
from ...store.blobs import BlobStore


def is_wanted(then: Scene, now: Scene) -> bool:
    """Whether a scene shows a take that comes in: not if it was locked, or another take chosen, since it was begun."""
    return not now.locked and now.chosen in (then.chosen, None)


def in_its_place(then: Scene, made: Take, story: Story) -> Story:
    """With an edited take chosen in its scene, if that is still wanted."""
    now = next((scene for scene in story.scenes if scene.id == made.scene), None)
    return edits.choose_take(story, made.scene, made.id) if now and is_wanted(then, now) else story


def same_take(
    board: Board, media: BlobStore, scene: Scene, made_from: Conditioning, seed: int, speed: str, streamed: bool
) -> Take | None:
    """A take as it would come out, if its files are whole: what a disk lost is rendered again, bit for bit."""
    takes = [take for take in board.takes_of(scene.id) if take.conditioning and take.seed == seed]
    key = cache_key(made_from, seed, scene.steps, speed, streamed) if takes else ""
    same = (take for take in takes if take.key() == key)
    return next((take for take in same if media.holds((take.clip, "mp4"), (take.keyframe, "png"))), None)
