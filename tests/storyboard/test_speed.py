"""The speed command measures what it says; how fast it is, no test decides."""

from pathlib import Path

from storyboard import speed
from storyboard.studio import Studio


def test_one_word_renders_just_what_depends_on_it_and_memory_is_measured(pipeline, tmp_path: Path) -> None:
    studio = Studio(lambda: pipeline, tmp_path, "m" * 64)
    try:
        found = speed.cascade(studio, (speed.TEN[0], speed.TEN[1], speed.TEN[3]))
        assert found["planned"] == found["rendered"] == [1, 3]
        assert 0 < found["over_just_those"] < 10
        grown = speed.growth(studio, renders=2, early=1)
        assert grown["megabytes_after_1"] > 50 and 0.5 < grown["growth"] < 2
    finally:
        studio.close()


def test_edits_are_timed_and_leave_the_story_as_it_was(pipeline, tmp_path: Path) -> None:
    studio = Studio(lambda: pipeline, tmp_path, "m" * 64)
    try:
        times = speed.editing(studio, scenes=4)
        assert set(times) == {"edit_ms", "move_ms", "undo_ms", "open_ms", "first_plan_ms"} and min(times.values()) > 0
        assert min(speed.casting(studio, scenes=9).values()) > 0  # and every undo was exact
    finally:
        studio.close()
