"""Captions beside the film: what they say and when, by ffmpeg's own reading of them."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from storyboard.document.story import Seam
from storyboard.film import subtitles
from storyboard.film.cut import cut_of
from tests.storyboard.film.cuts import board_of, clip, shot

SEAMS = [Seam(), Seam(kind="cross-fade", seconds=0.5)]
CARDS = {"title": {"text": "Snow", "seconds": 1}, "end": {"text": "The end", "seconds": 2}}


def board():
    found = board_of([clip(8), clip(8), clip(8)], SEAMS, **CARDS)
    return shot(shot(found, 1, caption="<i>Later</i> & 雪\n\n--> then"), 2, caption="")


def test_captions_are_those_of_the_picture_with_their_times() -> None:
    assert subtitles.lines_of(cut_of(board())) == [
        ("Scene 1.", 1.0, 1.5),
        ("<i>Later</i> & 雪\n\n--> then", 1.5, 2.5),
    ]


def read_back(path: Path, kind: str) -> str:
    """As ffmpeg understands it, written anew."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", kind, "-i", str(path), "-f", "srt", "-"]
    return subprocess.run(program, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("kind, written", [("srt", subtitles.srt), ("webvtt", subtitles.vtt)])
def test_files_are_read_back_as_they_were_meant(kind: str, written, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(written(cut_of(board())), encoding="utf-8")
    found = read_back(tmp_path / "a", kind)
    assert found.count(" --> 00:") == 2 and "00:00:01,000 --> 00:00:01,500\nScene 1." in found
    assert "00:00:01,500 --> 00:00:02,500" in found and "雪" in found and "--> then" in found.replace("\\h", " ")


def test_hours_are_told() -> None:
    assert subtitles._clock(3723.0004, ",") == "01:02:03,000" and subtitles._clock(59.9996, ".") == "00:01:00.000"
