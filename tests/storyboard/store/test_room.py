"""Nothing large is begun on a disk that has no room for it, and nothing of it stays."""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import ThroughlineError
from storyboard.store.room import SPARE_DISK_BYTES, check_disk
from storyboard.studio import Studio
from tests.paths import ROOT
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_fake(tmp_path / "home", step_seconds=0)
    yield studio
    studio.close()


def leave(monkeypatch: pytest.MonkeyPatch, free: int, below: Path | None = None) -> None:
    """A disk with so much left: of one folder, or of all."""
    whole = shutil.disk_usage

    def usage(folder: Path) -> SimpleNamespace:
        there = below is None or below in (Path(folder), *Path(folder).parents)
        return SimpleNamespace(free=free if there else whole(folder).free)

    monkeypatch.setattr(shutil, "disk_usage", usage)


def files(studio: Studio) -> list[Path]:
    return [path for path in studio.media.folder.rglob("*") if path.is_file()]


def test_what_is_needed_counts_besides_what_is_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(monkeypatch, SPARE_DISK_BYTES + 1000)
    check_disk(tmp_path)
    check_disk(tmp_path, 1000)
    with pytest.raises(ThroughlineError, match=r"nearly full: 256 MB left, expected at least 266$"):
        check_disk(tmp_path, 10 << 20)


def test_an_import_that_has_no_room_is_not_begun(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = next((ROOT / "assets" / "stories").glob("*.zip"))
    before = files(studio)
    leave(monkeypatch, SPARE_DISK_BYTES + 1000, studio.folder)
    with pytest.raises(ThroughlineError, match="nearly full"):
        studio.import_file(ME, archive)
    assert files(studio) == before and studio.stories(ME)["stories"] == []
    monkeypatch.undo()
    assert studio.import_file(ME, archive)["story"]["scenes"]


def test_an_upload_that_has_no_room_is_not_written(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(monkeypatch, 1 << 20)
    with pytest.raises(ThroughlineError, match="nearly full"):
        studio.import_story(ME, base64.b64encode(b"PK").decode())
    story = studio.new_story(ME, "Film", ["Mia runs."])["story"]
    monkeypatch.undo()
    leave(monkeypatch, 1 << 20, studio.folder)
    with pytest.raises(ThroughlineError, match="nearly full"):
        studio.import_clip(ME, story["id"], story["scenes"][0]["id"], base64.b64encode(b"RIFF").decode(), "a.png")
    assert files(studio) == []


@pytest.mark.parametrize("format", ["story.zip", "mp4", "clips.zip"])
def test_an_export_that_has_no_room_is_not_begun(studio: Studio, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    story = studio.import_file(ME, next((ROOT / "assets" / "stories").glob("*.zip")))["story"]
    before = files(studio)
    leave(monkeypatch, SPARE_DISK_BYTES + 1000, studio.folder)
    with pytest.raises(ThroughlineError, match="nearly full"):
        studio.film(ME, story["id"], format)
    assert files(studio) == before
