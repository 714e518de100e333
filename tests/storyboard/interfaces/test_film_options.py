"""What `python -m storyboard render` can say about the film."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from storyboard.document.story import Seam
from storyboard.interfaces import film_options
from storyboard.media.header import read_header
from tests.storyboard.interfaces.test_cli import Run, frames_of, listing, run  # noqa: F401
from tests.storyboard.media.test_matrix import H264, coded, drawn
from tests.storyboard.media.test_sound import tone


def test_the_seams_are_those_of_the_document() -> None:
    assert get_args(Seam.model_fields["kind"].annotation) == tuple(film_options.SEAMS.values())


def test_a_film_with_everything(run: Run, tmp_path: Path) -> None:  # noqa: F811
    song, voice = tone(tmp_path / "song.wav", 5), tone(tmp_path / "voice.wav", 0.4)
    cards = [
        "--title",
        "Cats",
        "--end",
        "The end",
        "--captions",
        "A cat.",
        "--seams",
        "cross-fade",
        "--seam-seconds",
        "0.25",
    ]
    assert run(*cards, "--music", song, "--music-level", "-6", "--voices", "-", voice)[0] == 0
    film = tmp_path / "out/film.mp4"
    found = read_header(film)
    assert found.sound and (found.width, found.frames) == (576, 24 + 5 - 2 + 5 + 24)
    frames = frames_of(film)
    assert frames.shape[1] > 384, "captions lie under the pictures"
    assert np.median(frames[0]) < 20 and frames[0].max() > 200 and np.median(frames[27, :384]) > 20


def test_captions_may_lie_beside_the_film(run: Run, tmp_path: Path) -> None:  # noqa: F811
    assert run("--subtitles")[0] == 0
    assert {"film.mp4", "film.srt", "film.vtt"} <= set(listing(tmp_path / "out"))
    assert "A cat is running on the beach." in (tmp_path / "out/film.srt").read_text()
    assert read_header(tmp_path / "out/film.mp4").height == 384


def test_clips_of_ones_own_keep_their_sound(run: Run, tmp_path: Path) -> None:  # noqa: F811
    coded(tmp_path / "mine.mp4", drawn(), H264, sound="aac")
    assert run("--clips", tmp_path / "mine.mp4")[0] == 0
    assert read_header(tmp_path / "out/film.mp4").sound


@pytest.mark.parametrize(
    "options, told",
    [
        (("--music", "none.mp3"), "sound 'none.mp3' does not exist: expected a file"),
        (("--captions", "a", "b", "c"), "3 captions for 2 prompts: expected at most one a scene"),
        (("--voices", "-", "-", "-"), "3 voices for 2 prompts: expected at most one a scene"),
        (("--first", "none.png"), "picture 'none.png' does not exist: expected a file"),
        (("--last", "-", "-", "-"), "3 last for 2 prompts: expected at most one a scene"),
        (("--loudness", "0"), "expected a number from -40 to -9"),
        (("--title", "x" * 401), "text is "),
    ],
)
def test_what_no_film_can_have_is_said_in_a_line(run: Run, tmp_path: Path, options: tuple[str, ...], told: str) -> None:  # noqa: F811
    code, error = run(*options)
    assert code == 2 and told in error and not listing(tmp_path / "out")


def test_a_sound_that_can_not_be_read_is_refused_before_anything_is_rendered(run: Run, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "song.mp3").write_bytes(b"no sound at all")
    code, error = run("--music", tmp_path / "song.mp3")
    assert code == 2 and "'song.mp3' is not a sound that can be read" in error and not listing(tmp_path / "out")
