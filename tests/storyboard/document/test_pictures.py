"""Scenes that begin or end with a picture: what that makes stale, and what is refused."""

import json

import pytest

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Board, Conditioning, Scene, ScenePicture, parse
from tests.storyboard.document.test_plan import edited, render, rendered, standings, states

SNOW, SEA = (ScenePicture(file=letter * 64, source="a photograph") for letter in "de")


@pytest.mark.parametrize(("place", "verb"), [("first", "begins"), ("last", "ends")])
def test_only_the_scene_with_a_picture_is_stale_and_says_why(place: edits.WhichPicture, verb: str) -> None:
    def reasons(board: Board) -> tuple[str, ...]:
        return standings(board)["b"].reasons

    plain = rendered("Mia runs.", "A dog sleeps.", "Snow falls.")
    pictured = edited(plain, edits.set_picture, "b", place, SNOW)
    assert states(pictured) == "fresh stale fresh" and reasons(pictured) == (f"now {verb} with a picture",)
    made = render(pictured, "b")
    assert states(made) == "fresh fresh fresh" and made.takes[made.story.scene("b").chosen].conditioning.pictures
    assert reasons(edited(made, edits.set_picture, "b", place, SEA)) == (f"its {place} picture changed",)
    assert reasons(edited(made, edits.set_picture, "b", place, None)) == (f"no longer {verb} with a picture",)


def test_where_a_picture_is_from_does_not_count() -> None:
    board = render(edited(rendered("Mia runs."), edits.set_picture, "a", "first", SNOW), "a")
    told = SNOW.model_copy(update={"source": "elsewhere"})
    assert states(edited(board, edits.set_picture, "a", "first", told)) == "fresh"


def test_scenes_and_digests_without_pictures_are_written_as_before() -> None:
    board = rendered("Mia runs.")
    assert "_picture" not in board.story.model_dump_json()
    assert not any("_picture" in take.model_dump_json() for take in board.takes.values())
    pictured = edited(board, edits.set_picture, "a", "last", SNOW)
    assert parse(Scene, json.loads(pictured.story.scene("a").model_dump_json())) == pictured.story.scene("a")
    now = standings(pictured)["a"].conditioning
    assert now is not None and Conditioning.model_validate_json(now.model_dump_json()) == now


def test_a_scene_either_continues_another_or_begins_with_a_picture() -> None:
    board = rendered("Mia runs.", "A dog sleeps.")
    continued = edited(board, edits.edit_scene, "b", seam={"kind": "continue"})
    with pytest.raises(ThroughlineError, match="continues the one before it: expected another seam"):
        edits.set_picture(continued.story, "b", "first", SNOW)
    assert edits.set_picture(continued.story, "b", "last", SNOW).scene("b").last_picture == SNOW
    pictured = edits.set_picture(board.story, "b", "first", SNOW)
    with pytest.raises(ThroughlineError, match="kind is 'continue': expected another seam, the scene begins with"):
        edits.edit_scene(pictured, "b", seam={"kind": "continue"})
    first = edited(continued, edits.move_scene, "b", 0)
    assert edits.set_picture(first.story, "b", "first", SNOW).scene("b").seam.kind == "cut", "it continued nothing"


def test_a_copy_of_a_scene_has_its_pictures() -> None:
    board = edited(rendered("Mia runs."), edits.set_picture, "a", "first", SNOW)
    assert edits.duplicate_scene(board.story, "a", "copy").scene("copy").first_picture == SNOW
