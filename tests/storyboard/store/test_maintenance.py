"""What a disk has spoiled is set aside and named, to whom it belongs and to nobody else."""

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.errors import ThroughlineError
from storyboard.store.blobs import DAMAGED, PART_SECONDS, BlobStore
from storyboard.store.maintenance import TIDY_SECONDS
from storyboard.studio import Studio
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME, YOU


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_fake(tmp_path, step_seconds=0)
    yield studio
    studio.close()


def rendered(studio: Studio, owner: str, title: str) -> str:
    story: str = studio.new_story(owner, title, [f"{title} runs."])["story"]["id"]
    studio.render(owner, story)
    for _ in studio.follow(owner, story, pause=0.001):
        pass
    return story


def clip_of(studio: Studio, owner: str, story: str) -> Path:
    (take,) = studio.library.head(owner, story).board.takes.values()
    return studio.media.path(take.clip, "mp4")


def test_a_spoiled_clip_is_set_aside_named_and_made_again(studio: Studio) -> None:
    mine, yours = rendered(studio, ME, "Mine"), rendered(studio, YOU, "Yours")
    clip, others = clip_of(studio, ME, mine), sorted(studio.media.folder.glob("??/*"))
    whole = clip.read_bytes()
    clip.write_bytes(b"rot")
    studio.maintenance.look_after()
    (notice,) = studio.notices(ME)["notices"]
    assert "'Mine'" in notice and (clip.parent.name + clip.stem)[:12] in notice and "set aside" in notice
    assert studio.notices(YOU)["notices"] == [] and str(studio.folder) not in notice
    assert [path.read_bytes() for path in (studio.media.folder / DAMAGED).iterdir()] == [b"rot"]
    assert sorted(studio.media.folder.glob("??/*")) == [path for path in others if path != clip]
    (scene,) = studio.get_story(ME, mine)["story"]["scenes"]
    studio.render(ME, mine, [scene["id"]])
    for _ in studio.follow(ME, mine, pause=0.001):
        pass
    assert clip.read_bytes() == whole and studio.get_story(YOU, yours)["story"]["scenes"]


def test_files_that_are_put_meanwhile_stay(tmp_path: Path) -> None:
    media, put, stop = BlobStore(tmp_path), list[str](), threading.Event()

    def write() -> None:
        while not stop.is_set():
            put.append(media.put(b"x" * 5000 + str(len(put)).encode(), "mp4"))

    writer = threading.Thread(target=write)
    writer.start()
    found = [name for _ in range(20) for name in media.check()]
    stop.set()
    writer.join()
    assert found == [] and all(media.read(digest, "mp4") for digest in put) and put


def test_a_file_that_is_mended_while_it_is_read_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = BlobStore(tmp_path)
    path = media.path(media.put(b"whole", "png"), "png")
    path.write_bytes(b"torn")
    lock, mended = media._lock, list[str]()

    class Late:
        """Somebody puts the file again just before it would be set aside."""

        def __enter__(self) -> None:
            path.write_bytes(b"whole")
            mended.append("once")
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()

    monkeypatch.setattr(media, "_lock", Late())
    assert media.check() == [] and path.read_bytes() == b"whole" and mended


def test_what_can_not_be_read_is_named(tmp_path: Path) -> None:
    media = BlobStore(tmp_path)
    path = media.path(media.put(b"whole", "png"), "png")
    path.unlink()
    path.mkdir()
    assert media.check() == [path.parent.name + path.name] and not path.exists()


def test_repairs_are_told_to_whom_they_concern(tmp_path: Path) -> None:
    studio = open_fake(tmp_path)
    mine = studio.new_story(ME, "Mine")["story"]["id"]
    studio.new_story(YOU, "Yours")
    studio.edit(ME, mine, {"do": "edit_story", "changes": {"title": "Mine too"}})
    studio.close()
    with closing(sqlite3.connect(tmp_path / "library.sqlite3")) as other, other:
        other.execute("UPDATE revisions SET doc = x'00' WHERE story = ? AND number = 1", (mine,))
    studio = open_fake(tmp_path)
    assert studio.notices(ME)["notices"] == ["Story 'Mine too' was damaged in version 1: version 0 is shown."]
    assert studio.notices(YOU)["notices"] == [] and "Mine too" in studio.library.notice
    studio.close()
    whole = (tmp_path / "library.sqlite3").read_bytes()
    (tmp_path / "library.sqlite3").write_bytes(b"\0" * 100 + whole[100:])
    studio = open_fake(tmp_path)
    (notice,) = studio.notices(YOU)["notices"]
    assert notice.startswith("The library was damaged (") and str(tmp_path) not in notice
    studio.close()


def test_clearing_up_goes_on_while_the_app_runs(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    waits, days = list[float](), list[int]()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise InterruptedError

    def tidy() -> int:
        days.append(len(waits))
        if len(days) == 2:
            raise ThroughlineError("the disk is full")  # that day, and not the next
        return 0

    monkeypatch.setattr(studio.maintenance, "tidy", tidy)
    with pytest.raises(InterruptedError):
        studio.maintenance.run(wait)
    assert waits == [TIDY_SECONDS] * 3 and days == [0, 1, 2]


def test_what_a_killed_process_was_writing_goes_and_what_is_being_written_stays(studio: Studio) -> None:
    parts = studio.media.folder / "parts"
    parts.mkdir(exist_ok=True)
    left, recent = parts / "0123.part", parts / "4567.part"
    for path in (left, recent):
        path.write_bytes(b"half")
    then = time.time() - PART_SECONDS - 60
    os.utime(left, (then, then))
    studio.maintenance.tidy()
    assert [*parts.iterdir()] == [recent]
