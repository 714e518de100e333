"""What nothing refers to goes after a week; everything else stays."""

import os
import time
from pathlib import Path

from storyboard.store import maintenance
from storyboard.studio import Studio
from tests.storyboard.studios import ME


def aged(path: Path) -> Path:
    then = time.time() - maintenance.KEPT_SECONDS - 60
    os.utime(path, (then, then))
    return path


def test_only_old_files_that_nothing_refers_to_go(pipeline, tmp_path: Path) -> None:
    studio = Studio(lambda: pipeline, tmp_path, "f" * 64)
    try:
        story = studio.new_story(ME, "Film", ["A cat runs."])["story"]
        small = {"do": "edit_scene", "scene": story["scenes"][0]["id"], "changes": {"steps": 1, "num_frames": 5}}
        studio.edit(ME, story["id"], small)
        studio.render(ME, story["id"])
        for _ in studio.follow(ME, story["id"]):
            pass
        kept = [aged(path) for path in (tmp_path / "media").rglob("*") if path.is_file()]
        forgotten = aged(studio.media.path(studio.media.put(b"an old export", "zip"), "zip"))
        recent = studio.media.path(studio.media.put(b"a new export", "zip"), "zip")
        assert len(kept) >= 4 and studio.maintenance.tidy() == len(b"an old export")
        assert all(path.exists() for path in [*kept, recent]) and not forgotten.exists()
    finally:
        studio.close()
