"""Whatever cuts a render short, the story is as it was and the next render is as in a fresh process, bit for bit."""

from pathlib import Path

import pytest

from tests.soak import interrupted
from tests.soak.interrupted import digest, fresh_digest, interruptions, no_memory_at
from tests.storyboard.studios import TEN, Desk, open_studio
from tests.tiny import tiny_pipeline


@pytest.mark.slow
def test_no_memory_and_cancelling_at_every_step_leave_no_trace() -> None:
    pipeline = tiny_pipeline()
    expected, ways = fresh_digest(), interruptions(pipeline)
    memory, cancelled = ways["out of memory"], ways["cancelled"]
    assert len(memory) > interrupted.STEPS < len(cancelled), "each step and the decoder; before, between and after all"
    for number, way in enumerate([*memory, *cancelled]):
        way()
        assert digest(pipeline) == expected, f"after way {number}"


@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_a_story_is_as_it_was_and_its_next_render_too(part: str, tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    first, second = (open_studio(pipeline, tmp_path / name) for name in "ab")
    try:
        plain = Desk.new(first, TEN[0])
        plain.render()
        disturbed = Desk.new(second, TEN[0])
        before = disturbed.board.story
        method = "forward" if part == "transformer" else "decode"
        with no_memory_at(getattr(pipeline, part), method, 2, for_ever=True):
            disturbed.render()
        (job,) = disturbed.ask("poll")["jobs"].values()
        assert job["state"] == "failed" and "memory" in job["error"]
        assert disturbed.board.story == before and disturbed.takes(0) == () and disturbed.saved_jobs() == []
        disturbed.render()
        (made,), (expected,) = disturbed.takes(0), plain.takes(0)
        assert made.keyframe == expected.keyframe and made.preview == expected.preview
    finally:
        first.close()
        second.close()


def test_what_the_disk_lost_is_rendered_again_bit_for_bit(tmp_path: Path) -> None:
    studio = open_studio(tiny_pipeline(), tmp_path)
    desk = Desk.new(studio, TEN[0])
    desk.render()
    (take,) = desk.takes(0)
    path = studio.media.path(take.keyframe, "png")
    sound = path.read_bytes()
    path.write_bytes(sound[:-20] + bytes(20))
    assert studio.media.check() == [f"{take.keyframe}.png"] and not path.exists()
    assert (tmp_path / "media" / "damaged" / f"{take.keyframe}.png").exists(), "nothing is deleted"
    desk.render(0)
    assert path.read_bytes() == sound
    studio.close()
