"""Long scenes that are watched while they are made: what is told of them, and what is kept."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.generation import Clip, Step
from storyboard.document.story import Scene, Take, cache_key
from storyboard.rendering.jobs.job import Made
from storyboard.rendering.workers.making import told
from storyboard.store.clips import read_frames
from storyboard.studio import Studio
from tests.storyboard.studios import Desk, open_studio

FRAMES, PIECE, RATE = 21, 9, 8


@pytest.fixture
def studio(going_on, tmp_path: Path) -> Iterator[Studio]:
    studio = open_studio(going_on, tmp_path, continues=lambda: True)
    _ = studio.renderer.maker
    yield studio
    studio.close()


def frames_of(preview: str) -> int:
    with Image.open(io.BytesIO(base64.b64decode(preview.partition(",")[2]))) as picture:
        return int(getattr(picture, "n_frames", 1))


def test_seconds_are_told_as_they_are_finished_and_the_preview_is_these(studio: Studio) -> None:
    desk = Desk.new(studio, "A cat runs.", num_frames=FRAMES)
    desk.edit(0, streamed=True)
    steps = desk.scenes[0].steps
    jobs = [job for news in desk.render() for job in news.get("jobs", {}).values()]
    running = [job for job in jobs if job["state"] == "running" and job["step"]]
    assert running and {job["lasts"] for job in running} == {FRAMES / RATE}
    seconds = [job["seconds"] for job in running]
    assert seconds == sorted(seconds) and seconds[0] == 0, "nothing is finished at the first step"
    finished = [job for job in running if job["seconds"]]
    assert finished and min(job["step"] for job in finished) >= steps
    assert all(frames_of(job["preview"]) == round(job["seconds"] * RATE) < FRAMES for job in finished[:-1])
    take = desk.board.chosen(desk.scenes[0])
    assert take is not None and take.streamed and take.num_frames == FRAMES


def test_another_way_is_another_take_and_no_staleness(studio: Studio) -> None:
    desk = Desk.new(studio, "A cat runs.", num_frames=FRAMES)
    desk.render()
    desk.edit(0, streamed=True)
    assert desk.states == ["fresh"]
    desk.render(0)
    at_once, streamed = desk.board.takes_of(desk.ids[0])
    clips = [read_frames(studio.media, take) for take in (at_once, streamed)]
    assert (at_once.streamed, streamed.streamed) == (False, True) and at_once.key() != streamed.key()
    assert clips[0].shape == clips[1].shape and not np.array_equal(*clips)
    desk.render(0)
    assert len(desk.board.takes_of(desk.ids[0])) == 2, "it is there already"


def test_a_scene_that_is_made_at_once_is_not_streamed(studio: Studio) -> None:
    desk = Desk.new(studio, "A cat runs.", num_frames=PIECE)
    desk.edit(0, streamed=True)
    desk.render()
    take = desk.board.chosen(desk.scenes[0])
    assert take is not None and not take.streamed
    assert not studio.renderer.streams(PIECE) and studio.renderer.streams(PIECE + 4)


def test_scenes_and_takes_that_are_made_at_once_are_written_as_before(studio: Studio) -> None:
    assert "streamed" not in Scene(id="a").model_dump() and Scene(id="a", streamed=True).model_dump()["streamed"]
    desk = Desk.new(studio, "A cat runs.", num_frames=PIECE)
    desk.render()
    take = desk.board.chosen(desk.scenes[0])
    assert take is not None and take.conditioning is not None and "streamed" not in take.model_dump()
    assert Take.model_validate_json(take.model_dump_json()) == take
    assert take.key() == cache_key(take.conditioning, take.seed or 0, take.steps or 0)


def test_what_is_finished_stays_in_the_picture_until_there_is_more() -> None:
    pictures = np.zeros((8, 16, 24, 3), np.uint8)
    done = {2: pictures[:5], 4: pictures[5:]}
    items = [Step(index, 4, lambda: pictures[:1], done=done.get(index)) for index in range(1, 5)]
    end = Clip(pictures, RATE, None)  # type: ignore[arg-type]
    made = list[Made]()
    steps = told(iter([*items, end]), RATE, Clip, lasts=1.0)
    while True:
        try:
            made.append(next(steps))
        except StopIteration as over:
            assert over.value is end
            break
    assert [one.seconds for one in made] == [0, 5 / RATE, 5 / RATE, 1.0] and {one.lasts for one in made} == {1.0}
    assert [bool(one.preview) for one in made] == [True, True, False, True]
    assert [frames_of(one.preview) for one in (made[1], made[3])] == [1, 1], "frames that are alike are one"
