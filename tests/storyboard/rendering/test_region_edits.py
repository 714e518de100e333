"""Edits of regions of a take: from the operation to what later scenes remember, and back."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ThroughlineError
from storyboard.document.story import Conditioning, GuidanceSettings
from storyboard.interfaces import verbs
from storyboard.rendering.takes import prompt_of
from storyboard.rendering.workers.making import made_of
from storyboard.store.clips import read_frames
from storyboard.studio import Studio
from tests.storyboard.studios import Desk, Watched, open_studio, wait_for

CAT = {"word": "Mia", "words": "A cat", "box": [0, 0, 0.5, 1]}


@pytest.fixture
def studio(pipeline, tmp_path: Path) -> Iterator[Studio]:
    studio = open_studio(pipeline, tmp_path)
    yield studio
    studio.close()


def rendered(studio: Studio, *prompts: str) -> Desk:
    desk = Desk.new(studio, *prompts)
    desk.render()
    return desk


def edit(desk: Desk, *regions: dict, place: int = 0, seed: int = 0) -> None:
    take = desk.shown[place]
    assert take is not None
    desk.ask("edit_take", desk.ids[place], take.id, list(regions), seed)
    desk.follow()


def test_an_edited_take_is_another_one_and_says_what_was_changed(studio: Studio) -> None:
    desk = rendered(studio, "Mia is running in the snow.")
    before = desk.shown[0]
    edit(desk, CAT)
    after = desk.shown[0]
    assert before and after and after.id != before.id and len(desk.takes(0)) == 2
    assert before.conditioning and after.conditioning
    [made] = after.conditioning.edits
    assert made.source == before.clip and made.regions[0].words == "A cat" and after.note == "Mia → A cat"
    assert after.conditioning.unedited == before.conditioning
    assert after.conditioning.digest() != before.conditioning.digest() and after.key() != before.key()
    a, b = (read_frames(studio.media, take).astype(int) for take in (before, after))
    assert np.abs(a - b)[:, :, :30].mean() > 2 * np.abs(a - b)[:, :, 48:].mean(), "but for the video's loss"
    assert desk.states == ["fresh"] and desk.planned() == []


def test_later_scenes_that_remember_the_word_become_stale_and_undo_brings_all_back(studio: Studio) -> None:
    desk = rendered(studio, "Mia is running in the snow.", "Mia is dancing.", "A robot sleeps.")
    before = desk.shown[0]
    edit(desk, CAT)
    assert desk.states == ["fresh", "stale", "fresh"]
    assert desk.standings()[1].reasons == ("*Mia* of scene 1 changed",)
    desk.render()
    remembered = desk.shown[1]
    assert remembered and remembered.conditioning
    assert remembered.conditioning.memories[0].keyframe == desk.board.keyframe(desk.scenes[0])
    assert desk.states == ["fresh"] * 3
    desk.ask("undo")
    assert desk.shown[0] == before and desk.states == ["fresh"] * 3, "with the takes that went with it"
    desk.ask("redo")
    assert desk.shown[0] != before and desk.states == ["fresh"] * 3


def test_another_seed_gives_another_outcome(studio: Studio) -> None:
    desk = rendered(studio, "Mia is running in the snow.")
    take, clips = desk.shown[0], list[np.ndarray]()
    assert take
    for seed in (0, 1):
        desk.ask("edit_take", desk.ids[0], take.id, [CAT], seed)
        desk.follow()
        edited = desk.shown[0]
        assert edited
        clips.append(read_frames(studio.media, edited).astype(int))
    assert np.abs(clips[0] - clips[1])[:, :, :30].mean() > 2 * np.abs(clips[0] - clips[1])[:, :, 48:].mean()


def test_of_which_noise_a_take_was_made_is_known_where_nothing_else_decides(studio: Studio) -> None:
    desk = rendered(studio, "Mia is running in the snow.")
    take = desk.shown[0]
    assert take and take.conditioning
    assert made_of(take, take.num_frames) == (take.seed, take.steps, take.conditioning.guidance.text)
    assert made_of(take, take.num_frames - 1) is None, "it was made piece by piece"
    pictured = take.conditioning.model_copy(update={"first_picture": take.keyframe})
    for update in ({"conditioning": None}, {"conditioning": pictured}, {"seed": None}):
        assert made_of(take.model_copy(update=update), take.num_frames) is None


def test_edits_go_on_from_edits(studio: Studio) -> None:
    desk = rendered(studio, "Mia is running in the snow.")
    edit(desk, CAT)
    edit(desk, {"word": "cat", "words": "robot", "brush": [{"x": 0.2, "y": 0.5, "radius": 0.2}]}, {"rest": True})
    after = desk.shown[0]
    assert after and after.conditioning and len(after.conditioning.edits) == 2
    assert prompt_of(after.conditioning) == "A robot is running in the snow."
    assert after.conditioning.prompt == "Mia is running in the snow."


def test_the_same_edit_with_another_seed_is_another_take(studio: Studio) -> None:
    desk = rendered(studio, "Mia is running in the snow.")
    before = desk.shown[0]
    for seed in (1, 2):
        assert before is not None
        desk.ask("edit_take", desk.ids[0], before.id, [CAT], seed)
        desk.follow()
    assert len({take.clip for take in desk.takes(0)}) == 3


def test_digests_of_takes_that_were_not_edited_are_what_they_were() -> None:
    usual = {"model": "f" * 64, "prompt": "A cat.", "negative_prompt": "", "guidance": GuidanceSettings(text=2.0)}
    old = Conditioning(**usual, width=72, height=48, num_frames=5, rows=(), memories=())
    assert "edits" not in old.model_dump(mode="json") and "beginning" not in old.model_dump(mode="json")
    assert old.digest() == "487ed292f32087d57a537442012c2f79acd928462e9c0352f88280855117fee9"


@pytest.mark.parametrize(
    ("regions", "told"),
    [
        ([{"word": "Tom", "words": "A cat"}], "word 'Tom' is not in 'Mia is running in the snow.': expected one that"),
        ([{"word": "Mia"}], "no region has new words: expected at least one"),
        ([{"words": "A cat"}], "expected a word, a box, a brush or the rest"),
        ([{"rest": True, "box": [0, 0, 1, 1], "words": "A cat"}], "expected a word, a box, a brush or the rest"),
        ([{"word": "Mia", "words": "A cat", "strength": 9}], "regions.0.strength is 9"),
        ([], "regions is"),
    ],
)
def test_what_can_not_be_edited_is_said_before_anything_is_put_in_line(studio: Studio, regions, told: str) -> None:
    desk = rendered(studio, "Mia is running in the snow.")
    take = desk.shown[0]
    assert take is not None
    with pytest.raises(ThroughlineError, match=told):
        desk.ask("edit_take", desk.ids[0], take.id, regions)
    assert not desk.saved_jobs()


def test_an_empty_region_fails_in_a_line_and_leaves_the_take(studio: Studio) -> None:
    desk = rendered(studio, "Mia is running in the snow.")
    before = desk.shown[0]
    edit(desk, {"word": "Mia", "words": "A cat", "box": [0.5, 0.2, 0.5, 0.2]})
    jobs = desk.ask("poll")["jobs"]
    assert "expected left < right and top < bottom" in jobs[desk.ids[0]]["error"] and desk.shown[0] == before


def test_an_edit_shows_its_steps_and_can_be_cancelled(pipeline, tmp_path: Path) -> None:
    watched = Watched(pipeline)
    studio = open_studio(watched, tmp_path)
    desk = rendered(studio, "Mia is running in the snow.", "A robot sleeps.")
    before = desk.shown[0]
    assert before is not None
    watched.hold()
    desk.ask("render", [desk.ids[1]], True)  # so that the edit waits
    desk.ask("edit_take", desk.ids[0], before.id, [CAT])
    desk.ask("cancel", [desk.ids[0]])
    watched.go()
    desk.follow()
    assert desk.shown[0] == before and len(desk.takes(0)) == 1
    desk.ask("edit_take", desk.ids[0], before.id, [CAT])
    steps = [news["jobs"][desk.ids[0]] for news in desk.follow() if desk.ids[0] in news["jobs"]]
    assert any(job["step"] and job["total"] > job["step"] and job["preview"] for job in steps)
    studio.close()


def test_an_edit_in_line_is_made_after_a_restart(pipeline, tmp_path: Path) -> None:
    watched = Watched(pipeline)
    studio = open_studio(watched, tmp_path)
    desk = rendered(studio, "Mia is running in the snow.", "A robot sleeps.")
    before = desk.shown[0]
    assert before is not None
    watched.hold()
    desk.ask("render", [desk.ids[1]], True)
    desk.ask("edit_take", desk.ids[0], before.id, [CAT])
    watched.go()
    studio.renderer.queue.close()
    studio.close()
    again = open_studio(pipeline, tmp_path)
    there = Desk(again, desk.owner, desk.story)
    wait_for(lambda: len(there.takes(0)) == 2)
    again.close()


def test_programs_give_regions_as_json(studio: Studio) -> None:
    desk = rendered(studio, "Mia is running in the snow.")
    take = desk.shown[0]
    assert take is not None
    *_, last = verbs.edit_take(studio, desk.owner, desk.story, desk.ids[0], take.id, json.dumps([CAT]))
    assert len(last["story"]["scenes"][0]["takes"]) == 2
    with pytest.raises(ThroughlineError, match="regions are 'a cat': expected JSON"):
        list(verbs.edit_take(studio, desk.owner, desk.story, desk.ids[0], take.id, "a cat"))


def test_what_can_be_changed_and_a_frame_to_point_at(studio: Studio) -> None:
    desk = rendered(studio, "Mia is running in the snow.")
    take = desk.shown[0]
    assert take is not None
    known = desk.ask("changeable", desk.ids[0], take.id)
    assert [word["word"] for word in known["words"]] == ["Mia", "snow"] and not known["refused"]
    assert desk.ask("figures", desk.ids[0], take.id) == {"figures": []}, "the localiser knows no frames of this size"
    shown = desk.ask("still", desk.ids[0], take.id, 4, [[0, 0, 0.5, 1]], [[0.5, 0, 1, 1]])
    assert shown["picture"].startswith("data:image/webp;base64,") and shown["times"] == 11
    with pytest.raises(ThroughlineError, match="frame is 5: expected 0 to 4"):
        desk.ask("still", desk.ids[0], take.id, 5)
    edit(desk, CAT)
    now, before = desk.ask("get_story")["story"]["scenes"][0]["takes"][::-1]
    assert now["before"] == before["id"] and before["before"] is None
    words = desk.ask("changeable", desk.ids[0], now["id"])["words"]
    assert [word["word"] for word in words] == ["cat", "snow"]
    desk.edit(0, locked=True)
    assert "locked" in desk.ask("changeable", desk.ids[0], now["id"])["refused"]
