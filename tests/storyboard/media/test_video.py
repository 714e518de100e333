"""Video files: what is written plays in a browser, what is read is whole or refused."""

import os
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import psutil
import pytest

from pipeline.errors import ThroughlineError
from storyboard.media import video
from storyboard.media.video import check_clip, read_clip, stream_clip, write_video
from tests.storyboard.conftest import gradient


def header(path: Path) -> dict:
    reader = imageio_ffmpeg.read_frames(str(path))
    found = next(reader)
    reader.close()
    return found


def test_a_written_file_plays_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, gradient(10, 48, 72), 8, scale=2)
    found, content = header(path), path.read_bytes()
    assert (found["codec"], found["fps"], found["size"]) == ("h264", 8, (144, 96))
    assert found["pix_fmt"].startswith("yuv420p") and "bt709" in found["pix_fmt"]
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == 10
    assert content.index(b"moov") < content.index(b"mdat"), (
        "the index comes first, so that it starts before it is loaded"
    )


def test_a_file_is_the_same_however_many_processors_there_are(tmp_path: Path) -> None:
    frames, every = np.random.default_rng(0).integers(0, 256, (17, 96, 144, 3), np.uint8), os.sched_getaffinity(0)
    write_video(tmp_path / "all.mp4", frames, 8, scale=4)
    try:
        os.sched_setaffinity(0, sorted(every)[:1])
        write_video(tmp_path / "one.mp4", frames, 8, scale=4)
    finally:
        os.sched_setaffinity(0, every)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "all.mp4").read_bytes()


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    frames = np.repeat(np.repeat(gradient(9, 6, 9), 8, axis=1), 8, axis=2)
    write_video(tmp_path / "a.mp4", frames, 8)
    back = read_clip(tmp_path / "a.mp4", 48, 72, 8)
    assert back.shape == frames.shape
    assert np.abs(back.astype(float) - frames).mean() < 6


@pytest.mark.parametrize("rate, frames", [(8, 16), (30, 60), (24, 48)])
def test_a_clip_lasts_as_long_at_any_rate(clip_file: Path, rate: int, frames: int) -> None:
    assert abs(len(read_clip(clip_file, 96, 144, rate)) - frames) <= 1


def test_a_clip_is_cut_to_the_shape_not_stretched(tmp_path: Path) -> None:
    wide = np.zeros((4, 48, 192, 3), np.uint8)
    wide[:, :, 72:120] = 255  # a white square in the middle
    write_video(tmp_path / "wide.mp4", wide, 8)
    frame = read_clip(tmp_path / "wide.mp4", 48, 48, 8)[0]
    assert frame.mean() > 220


def test_a_clip_of_one_frame_is_a_clip(tmp_path: Path) -> None:
    write_video(tmp_path / "one.mp4", gradient(1, 48, 72), 30)
    assert len(read_clip(tmp_path / "one.mp4", 48, 72, 8)) == 1


def test_names_are_files_whatever_they_look_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-y.mp4", "http:a.mp4", "scene %03d.mp4"):
        write_video(Path(name), gradient(2, 48, 72), 8)
        assert read_clip(Path(name), 48, 72, 8).shape == (2, 48, 72, 3)


def broken(kind: str, clip: Path, folder: Path) -> Path:
    """A file that is no whole clip."""
    path, content = folder / "broken.mp4", clip.read_bytes()
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        text = Path(__file__).read_bytes()
        shares = {"header": 0.02, "half": 0.5, "most": 0.9}
        texts = {"empty": b"", "text": text, "noise": bytes(range(256)) * 40}
        path.write_bytes(texts[kind] if kind in texts else content[: int(len(content) * shares[kind])])
    return path


KINDS = {"missing": "does not exist", "folder": "is a folder", "empty": "is empty", "text": "not a video",
         "noise": "not a video", "header": "truncated", "half": "truncated", "most": "truncated"}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_whole_clip_is_refused_by_name(kind: str, clip_file: Path, tmp_path: Path) -> None:
    path = broken(kind, clip_file, tmp_path)
    with pytest.raises(ThroughlineError, match=KINDS[kind]) as caught:
        read_clip(path, 96, 144, 8)
    assert repr(path.name) in str(caught.value) and "\n" not in str(caught.value)
    assert str(path.parent) not in str(caught.value), "users are not told where a server keeps its files"


@pytest.mark.parametrize("suffix", ["mkv", "webm", "avi", "mov"])
def test_truncated_files_of_other_kinds_are_refused(suffix: str, clip_file: Path, tmp_path: Path) -> None:
    import subprocess

    path, codec = tmp_path / f"a.{suffix}", "libvpx" if suffix == "webm" else "mpeg4"
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-i", clip_file, "-c:v", codec, path], check=True, stdin=subprocess.DEVNULL)
    assert len(read_clip(path, 48, 72, 8)) >= 15
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(ThroughlineError, match="truncated"):
        read_clip(path, 48, 72, 8)


def test_a_picture_is_not_a_video(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.fromarray(gradient(1, 48, 72)[0]).save(path)
    with pytest.raises(ThroughlineError, match="not a video"):
        check_clip(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the machine has no /dev/full")
def test_a_full_disk_is_an_os_error() -> None:
    with pytest.raises(OSError, match="No space left"):
        write_video(Path("/dev/full"), gradient(4, 48, 72), 8)


@pytest.mark.parametrize("rate", [8, 12, 5])
def test_frame_after_frame_a_clip_is_the_same(clip_file: Path, rate: int) -> None:
    whole = read_clip(clip_file, 96, 144, rate)
    assert np.array_equal(np.stack(list(stream_clip(clip_file, 96, 144, rate))), whole)


def test_a_clip_that_is_given_up_leaves_no_process(clip_file: Path) -> None:
    children = psutil.Process().children
    others = set(children())  # such as the resource tracker of multiprocessing, which stays
    frames = stream_clip(clip_file, 96, 144, 8)
    next(frames)
    assert set(children()) - others
    frames.close()
    assert not set(children()) - others


def test_a_damaged_clip_is_refused_frame_after_frame_too(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", gradient(40, 48, 72), 8)
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    start = content.index(b"mdat")
    content[start + 40 :] = bytes(len(content) - start - 40)
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(ThroughlineError, match=r"clip 'a.mp4' is damaged"):
        list(stream_clip(tmp_path / "a.mp4", 48, 72, 8))


def test_a_program_that_takes_nothing_more_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(video, "STUCK_SECONDS", 0.3)
    stuck = tmp_path / "stuck"
    stuck.write_text("#!/bin/sh\nexec sleep 600\n")
    stuck.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(stuck))
    with pytest.raises(OSError, match="could not be written"):
        write_video(tmp_path / "film.mp4", np.zeros((40, 96, 144, 3), np.uint8), 8)
