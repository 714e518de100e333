"""Cuts of small clips, for the tests of the film."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from storyboard.document import edits
from storyboard.document.story import Board, Seam, Take
from storyboard.film.cut import Cut, cut_of
from storyboard.film.picture import film_frames

RATE = 8.0


def clip(frames: int, value: int = 200, height: int = 2, width: int = 3) -> np.ndarray:
    return np.full((frames, height, width, 3), value, np.uint8)


def board_of(clips: Sequence[np.ndarray], seams: Sequence[Seam] = (), rate: float = RATE, **film: Any) -> Board:
    """A story with a scene a clip; scene k has take "k"."""
    prompts = [f"Scene {number}." for number in range(1, len(clips) + 1)]
    story, takes = edits.new_story("Film", prompts), dict[str, Take]()
    for place, (scene, frames) in enumerate(zip(story.scenes, clips, strict=True)):
        count, height, width, _ = frames.shape
        files = dict.fromkeys(("clip", "preview", "keyframe"), "0" * 64)
        takes[str(place)] = Take(
            id=str(place), scene=scene.id, **files, keyframe_index=0, num_frames=count, width=width, height=height,
            frames_per_second=rate,
        )  # fmt: skip
        story = edits.choose_take(story, scene.id, str(place))
        if place < len(seams):
            story = edits.edit_scene(story, scene.id, seam=seams[place])
    return Board(edits.edit_film(story, **film), takes)


def shot(board: Board, place: int, **changes: Any) -> Board:
    return Board(edits.edit_shot(board.story, board.story.scenes[place].id, **changes), board.takes)


def filmed(board: Board, clips: Sequence[np.ndarray], captioned: bool = False) -> np.ndarray:
    """The frames of a film at the size of its first clip."""
    cut, (height, width) = cut_of(board), clips[0].shape[1:3]
    return np.stack(list(film_frames(cut, lambda take: clips[int(take.id)], (width, height), captioned)))


def cut(lengths: Sequence[int], seams: Sequence[Seam] = (), rate: float = RATE) -> Cut:
    return cut_of(board_of([clip(length) for length in lengths], seams, rate))
