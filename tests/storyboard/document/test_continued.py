"""Scenes that go on from the last frames of the one before: what they depend on, and how that is told."""

import json
from dataclasses import replace

import pytest

from storyboard.document import edits, plan
from storyboard.document.story import Board, Conditioning, GuidanceSettings, ScenePicture
from tests.storyboard.document.test_plan import edited, fake_filter, planned, render, rendered, standings, states


@pytest.fixture
def board() -> Board:
    """Three scenes that share no word; the second goes on from the first."""
    board = rendered("Mia runs.", "A dog sleeps.", "Snow falls.")
    return render(edited(board, edits.edit_scene, "b", seam={"kind": "continue"}), "b")


def reasons(board: Board, scene: str) -> tuple[str, ...]:
    return standings(board)[scene].reasons


def test_a_seam_that_continues_makes_a_scene_stale_and_another_seam_does_not() -> None:
    board = rendered("Mia runs.", "A dog sleeps.")
    continued = edited(board, edits.edit_scene, "b", seam={"kind": "continue"})
    assert states(continued) == "fresh stale" and reasons(continued, "b") == ("now continues scene 1",)
    faded = edited(board, edits.edit_scene, "b", seam={"kind": "cross-fade"})
    assert states(faded) == "fresh fresh"


def test_a_continued_scene_waits_for_the_one_before_and_changes_with_it(board: Board) -> None:
    assert states(board) == "fresh fresh fresh" and standings(board)["b"].needs == ("a",)
    changed = edited(board, edits.edit_scene, "a", prompt="Tom jumps.")
    assert states(changed) == "stale waiting fresh" and reasons(changed, "b") == ("waits for scene 1",)
    assert planned(changed) == "ab"
    after = render(changed, "a")
    assert states(after) == "fresh stale fresh" and reasons(after, "b") == ("continues scene 1, which changed",)


def test_a_locked_scene_can_be_continued(board: Board) -> None:
    locked = edited(board, edits.edit_scene, "a", locked=True)
    assert states(locked) == "fresh fresh fresh"


def test_a_scene_that_moves_breaks_the_seam_in_words(board: Board) -> None:
    moved = edited(board, edits.move_scene, "b", 2)
    assert reasons(moved, "b") == ("now continues scene 2",)
    first = edited(board, edits.move_scene, "b", 0)
    assert reasons(first, "b") == ("no longer continues scene 2",)
    assert reasons(edited(board, edits.edit_scene, "b", seam={"kind": "cut"}), "b") == ("no longer continues scene 1",)


def test_digests_from_before_there_were_beginnings_are_as_they_were() -> None:
    plain = Conditioning(
        model="m", prompt="p", negative_prompt="", guidance=GuidanceSettings(text=2.0), width=144, height=96,
        num_frames=17, rows=(), memories=(),
    )  # fmt: skip
    assert plain.digest() == "f104b391e898141a97e1ff4f65c31aca7c63ffe2a6ce95dbd8a85d066d622c07"
    assert "beginning" not in json.loads(plain.model_dump_json())


def test_what_scene_was_continued_does_not_count_only_its_clip(board: Board) -> None:
    now = standings(board)["b"].conditioning
    assert now is not None and now.beginning is not None
    elsewhere = now.model_copy(update={"beginning": now.beginning.model_copy(update={"scene": "z"})})
    other = now.model_copy(update={"beginning": now.beginning.model_copy(update={"clip": "0" * 64})})
    assert elsewhere.digest() == now.digest() != other.digest()
    assert Conditioning.model_validate_json(now.model_dump_json()) == now


def test_without_a_take_before_it_a_scene_waits(board: Board) -> None:
    alone = replace(board, takes={})
    assert states(alone).split()[1] == "new" and planned(alone, wanted=["b"]) == "ab"


def test_other_weights_for_known_frames_make_stale_what_has_such_frames_alone(board: Board) -> None:
    pictured = edited(board, edits.set_picture, "c", "last", ScenePicture(file="0" * 64))
    pictured = render(pictured, "c")
    now = plan.standings(pictured, fake_filter, "m", continuation="n" * 64)
    assert [one.state for one in now.values()] == ["fresh", "stale", "stale"]
    assert now["b"].reasons == now["c"].reasons == ("the model for clips that go on changed",)
    assert now["a"].conditioning == standings(pictured)["a"].conditioning, "it does not tell of them"
    for scene in "bc":
        made, before = now[scene].conditioning, standings(pictured)[scene].conditioning
        assert made and before and "continuation" not in before.model_dump() and made.digest() != before.digest()
    cut = edited(pictured, edits.edit_scene, "b", seam={"kind": "cut"})
    told = plan.standings(cut, fake_filter, "m", continuation="n" * 64)["b"].reasons
    assert told == ("no longer continues scene 1",), "what it begins with, not by which weights it did"
