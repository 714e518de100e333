"""What the tests of interchange share: boards of a few scenes, some without a take."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from storyboard.document import edits
from storyboard.document.story import Board, Take
from storyboard.store.blobs import BlobStore
from storyboard.store.clips import keep_frames

TITLE = "Mia & Tom <b>海</b>"
NASTY = 'Mia says "wait" & <script>alert(1)</script>\n=1+1; 海へ — ñ.'
SCRIPT: dict[str, Any] = {
    "heading": "INT. KITCHEN - NIGHT",
    "cast": ["Mia", "Tom"],
    "dialogue": [
        {"speaker": "Mia", "text": "Who is there?", "manner": "whispering"},
        {"speaker": "トム", "text": "わたしです。"},
    ],
    "notes": "look for a red door",
}
KINDS = ("cut", "cross-fade", "dip to black")


def board_of(
    lengths: Sequence[int], kinds: Sequence[str] = KINDS, seconds: float = 0.5, rate: float = 8, **fields: Any
) -> Board:
    """A scene for each number of frames, without a take for 0. fields: of the takes."""
    story, takes = edits.new_story(TITLE, [f"{NASTY} {number}" for number in range(1, len(lengths) + 1)]), {}
    for index, (scene, length) in enumerate(zip(story.scenes, lengths, strict=True)):
        seam = {"kind": kinds[index % len(kinds)], "seconds": seconds}
        story = edits.edit_scene(story, scene.id, seam=seam, script=SCRIPT)
        if length:
            take = _take(scene.id, f"take{index}", length, rate, fields)
            takes[take.id], story = take, edits.choose_take(story, scene.id, take.id)
    return Board(story, takes)


def _take(scene: str, name: str, length: int, rate: float, fields: dict[str, Any]) -> Take:
    files = dict.fromkeys(("clip", "preview", "keyframe"), "0" * 64)
    about = {"keyframe_index": 0, "num_frames": length, "width": 144, "height": 96, "frames_per_second": rate}
    return Take(**{"id": name, "scene": scene, **files, **about, **fields})


def kept_board(folder: Path, lengths: Sequence[int]) -> tuple[Board, BlobStore]:
    """A board whose clips are there: each of one colour, brighter from frame to frame."""
    media, board = BlobStore(folder), board_of(lengths)
    takes = {}
    for number, (name, take) in enumerate(board.takes.items()):
        shades = 40 * number + 10 * np.arange(take.num_frames, dtype=np.uint8) + 10
        frames = np.broadcast_to(shades[:, None, None, None], (take.num_frames, 96, 144, 3)).copy()
        takes[name] = Take(id=name, scene=take.scene, **keep_frames(media, frames, 8))
    return Board(board.story, takes), media
