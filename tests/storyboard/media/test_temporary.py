"""Temporary folders end with what made them, and those of a killed process go at the next start."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storyboard.media.temporary import HELD, clear_temporary, temporary_folder
from tests.paths import ROOT

HOLD = """
import sys
from storyboard.media.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "clip.mp4").write_bytes(b"half")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def another_process(place: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that holds a temporary folder until it is killed or let go."""
    program = [sys.executable, "-c", HOLD]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(program, cwd=ROOT, env={**os.environ, "TMPDIR": str(place)}, **pipes) as process:
        assert process.stdout
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_a_folder_goes_with_its_block_however_that_ends(place: Path) -> None:
    with temporary_folder() as folder:
        (folder / "clip.mp4").write_bytes(b"half")
    with pytest.raises(ValueError, match="half"), temporary_folder() as folder:
        (folder / "clip.mp4").write_bytes(b"half")
        raise ValueError("half")
    assert not [*place.iterdir()]


def test_what_a_killed_process_left_goes(place: Path) -> None:
    with another_process(place) as (process, folder):
        assert folder.parent == place and clear_temporary(new_seconds=-1) == 0
        assert (folder / "clip.mp4").is_file(), "its process lives"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (folder / "clip.mp4").is_file()
        assert clear_temporary(new_seconds=-1) == 1 and not [*place.iterdir()]


def test_a_folder_of_this_process_stays() -> None:
    with temporary_folder() as folder:
        assert clear_temporary(new_seconds=-1) == 0 and folder.is_dir()


def test_what_is_not_ours_stays(place: Path) -> None:
    elsewhere = place / "elsewhere"
    for folder in (elsewhere, place / "throughline-without-a-lock", place / "of-others", place / "throughline-young"):
        folder.mkdir()
    for folder in (elsewhere, place / "of-others", place / "throughline-young"):
        (folder / HELD).touch()
    (place / "throughline-link").symlink_to(elsewhere)
    (place / "throughline-file").touch()
    then = time.time() - 60
    os.utime(elsewhere / HELD, (then, then))
    before = sorted(place.rglob("*"))
    assert clear_temporary() == 0 and sorted(place.rglob("*")) == before
