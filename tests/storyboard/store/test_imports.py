"""Clips of users as takes, and takes as files again."""

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Board, Take
from storyboard.export.archive import read_archive, write_archive
from storyboard.export.film import FORMATS, export_name
from storyboard.media.fit import Fit
from storyboard.media.video import read_clip, write_video
from storyboard.store.blobs import BlobStore
from storyboard.store.clips import imported_take, read_frames
from storyboard.store.files import file_name
from tests.storyboard.media.test_matrix import H264, coded, drawn
from tests.storyboard.media.test_video import header

COLOURS = [(200, 40, 40), (40, 60, 200), (220, 220, 220), (128, 128, 128), (20, 20, 20), (0, 0, 255), (255, 0, 255)]


@pytest.fixture
def media(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "media")


STORY = edits.new_story("Film", ["A cat."])
SCENE = STORY.scenes[0].id


def test_a_clip_with_sound_is_a_take_with_sound(media: BlobStore, tmp_path: Path) -> None:
    coded(tmp_path / "mine.mp4", drawn(), H264, sound="aac")
    take = imported_take(media, STORY, SCENE, tmp_path / "mine.mp4", 8)
    assert take.sound and (take.num_frames, take.note) == (12, "mine.mp4")
    sound = media.path(take.sound, "m4a")
    assert imageio_ffmpeg.count_frames_and_secs(str(media.path(take.clip, "mp4")))[1] == pytest.approx(1.5)
    assert b"ftyp" in sound.read_bytes()[:12]
    write_archive(tmp_path / "a.zip", Board(STORY, {take.id: take}), media.path)
    board, files = read_archive(tmp_path / "a.zip")
    assert board.takes[take.id] == take and files[take.sound, "m4a"] == sound.read_bytes()


def test_a_take_without_sound_is_written_as_ever(media: BlobStore, tmp_path: Path) -> None:
    coded(tmp_path / "mine.mp4", drawn(), H264)
    take = imported_take(media, STORY, SCENE, tmp_path / "mine.mp4", 8)
    content = take.model_dump(mode="json")
    assert "sound" not in content and Take.model_validate(content) == take


def test_a_picture_is_a_take_as_long_as_its_scene(media: BlobStore, tmp_path: Path) -> None:
    Image.fromarray(drawn()[0]).save(tmp_path / "mine.png")
    take = imported_take(media, STORY, SCENE, tmp_path / "mine.png", 8)
    assert (take.num_frames, take.sound) == (STORY.scenes[0].num_frames, None)


def test_a_clip_is_not_cut_unless_it_shall_be(media: BlobStore, tmp_path: Path) -> None:
    coded(tmp_path / "tall.mp4", drawn(288, 192), H264)
    take = imported_take(media, STORY, SCENE, tmp_path / "tall.mp4", 8)
    frame = read_frames(media, take)[0]
    assert frame[:, :38].max() < 20 and frame[:, -38:].max() < 20 and frame[5, 50, 0] > 180 and frame[-5, 50, 2] > 180
    upper = imported_take(media, STORY, SCENE, tmp_path / "tall.mp4", 8, Fit("fill", down=0))
    assert read_frames(media, upper)[0][5, 5, 0] > 180


def test_ten_times_out_and_in_no_channel_changes_by_more_than_one(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.mp4", np.random.default_rng(1)
    for colour in [*COLOURS, *(tuple(found) for found in rng.integers(0, 256, (8, 3)))]:
        frames = np.full((3, 48, 72, 3), colour, np.uint8)
        for scale in (4, 1) * 5:
            write_video(path, frames, 8, scale)
            frames = read_clip(path, 48, 72, 8)
        assert np.abs(frames.astype(int) - colour).max() <= 1, colour


def test_an_export_says_what_its_colours_mean(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", drawn(), 8)
    content = (tmp_path / "a.mp4").read_bytes()
    assert header(tmp_path / "a.mp4")["pix_fmt"].startswith("yuv420p(tv, bt709")
    place = content.index(b"colrnclx") + 8
    assert content[place : place + 7] == bytes([0, 1, 0, 1, 0, 1, 0]), "BT.709 three times, limited range"


def test_exports_of_a_story_have_names_of_their_own_in_its_letters() -> None:
    names = {export_name("日本語 🎬 Mia's film", format) for format in FORMATS}
    assert len(names) == len(FORMATS) and all(name.startswith("日本語 🎬 Mia's film") for name in names)
    assert (
        export_name("../a/b", "mp4") == "a-b.mp4" and export_name("", "gif") and len(export_name("🎬" * 200, "mp4")) > 9
    )


@pytest.mark.parametrize("name, kept", [("l'été.mp4", "l'été.mp4"), ("日本語 🎬.mp4", "日本語 🎬.mp4"), (".mp4", "mp4"),
                                        ("a\u202egpj.exe", "a-gpj.exe"), ("", "x"), ("a\0b", "a-b")])  # fmt: skip
def test_names_keep_their_letters_and_nothing_else(name: str, kept: str) -> None:
    assert file_name(name, "x") == kept and len(file_name("語" * 400 + ".mp4", "x").encode()) <= 205


def test_a_codec_that_is_not_read_is_said_to_be_none(tmp_path: Path) -> None:
    for name, codec in (("a.mov", ["qtrle"]), ("b.mkv", ["utvideo"])):
        coded(tmp_path / name, drawn(), codec)
        with pytest.raises(ThroughlineError, match="not read") as caught:
            read_clip(tmp_path / name, 96, 144, 8)
        assert "damaged" not in str(caught.value) and str(tmp_path) not in str(caught.value)
