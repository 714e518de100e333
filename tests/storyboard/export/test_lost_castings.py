"""An archive holds the pictures of castings, which can be drawn again where they are lost."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.cast import edits as cast_edits
from storyboard.document.conditioning import Past, conditioning_of, remembers
from storyboard.document.story import Board
from storyboard.export.archive import open_archive
from storyboard.export.archive_history import UndoHistory, UndoStep
from storyboard.export.film import export
from storyboard.store.blobs import BlobStore
from tests.storyboard.document.cast.test_anchoring import FILTER
from tests.storyboard.document.cast.test_castings import MIA, cast_story
from tests.storyboard.document.test_story import take
from tests.storyboard.export.test_archive import KINDS, content


def rendered(media: BlobStore) -> tuple[Board, str]:
    """A scene that remembers a casting, and the digest of its picture."""
    board = Board(cast_story([MIA]))
    made = conditioning_of(board, "a", remembers(board, "a", FILTER), "0" * 64)
    files = {name: media.put(content(suffix, 1), suffix) for name, suffix in KINDS.items()}
    shown = take("one", "a", conditioning=made, **files)
    (casting,) = Past.of(board, "a").drawn
    assert casting.drawn and media.put(casting.drawn.png, "png") == casting.keyframe
    return Board(edits.choose_take(board.story, "a", "one"), {"one": shown}), casting.keyframe


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_lost_picture_is_drawn_again(tmp_path: Path, how: str) -> None:
    media = BlobStore(tmp_path / "media")
    board, picture = rendered(media)
    path = media.path(picture, "png")
    path.unlink() if how == "missing" else path.write_bytes(b"nothing")
    found = open_archive(media.path(*export(board, media, "story.zip")))
    assert (picture, "png") in found.files and media.holds((picture, "png"))


def test_one_of_the_past_is_drawn_by_the_step_of_undo_that_cast_it(tmp_path: Path) -> None:
    media = BlobStore(tmp_path / "media")
    board, picture = rendered(media)
    other = replace(board, story=cast_edits.recast(board, "Mia"))
    media.path(picture, "png").unlink()
    with pytest.raises(ThroughlineError, match="missing"):
        export(other, media, "story.zip")
    steps = (UndoStep(label="", story=board.story), UndoStep(label="cast anew", story=other.story))
    found = open_archive(media.path(*export(other, media, "story.zip", lambda: (other, UndoHistory(steps, 1)))))
    assert (picture, "png") in found.files


def test_what_cannot_be_drawn_is_still_told(tmp_path: Path) -> None:
    media = BlobStore(tmp_path / "media")
    board, _ = rendered(media)
    media.path(board.takes["one"].clip, "mp4").unlink()
    with pytest.raises(ThroughlineError, match="missing"):
        export(board, media, "story.zip")
