"""The sound of a film: what is heard when and how loud, and that pictures stay as they are."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from storyboard.document import edits
from storyboard.document.story import Board, Seam
from storyboard.export import film
from storyboard.film.cues import cues
from storyboard.film.cut import cut_of
from storyboard.film.loudness import levelled, measure
from storyboard.film.mix import under_voices, write_mix
from storyboard.media.header import read_header
from storyboard.media.sound import keep_upload
from storyboard.media.video import RATE, read_clip
from tests.storyboard.conftest import gradient
from tests.storyboard.film.cuts import board_of, clip, shot
from tests.storyboard.media.test_sound import tone

LOW, HIGH, MIDDLE = "a" * 64, "b" * 64, "c" * 64  # tones of 220, 880 and 440 Hz, of 10, 1 and 2 seconds
FRAMES = [gradient(8, 48, 72), gradient(8, 48, 72), gradient(8, 48, 72)]  # three seconds


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("sounds"), dict[str, Path]()
    for name, hertz, seconds in ((LOW, 220, 10), (HIGH, 880, 1), (MIDDLE, 440, 2)):
        source = tone(folder / f"{hertz}.wav", seconds, hertz=hertz)
        found[name] = folder / f"{hertz}.m4a"
        keep_upload(source, found[name])
    return found


def with_sound(board: Board, place: int, sound: str) -> Board:
    take = board.takes[str(place)].model_copy(update={"sound": sound})
    return Board(board.story, {**board.takes, take.id: take})


def music(board: Board, **changes: Any) -> Board:
    story = edits.set_music(board.story, LOW, "low.wav", 10.0)
    return replace(board, story=edits.edit_film(story, music={"fade_out": 0, **changes}))


def voice(board: Board, place: int, **changes: Any) -> Board:
    scene = board.story.scenes[place].id
    story = edits.set_voice(board.story, scene, HIGH, "high.wav", 1.0)
    return replace(board, story=edits.edit_shot(story, scene, voice=changes))


def mixed(board: Board, sounds: dict[str, Path], folder: Path) -> np.ndarray:
    """Samples (N, 2), before the loudness is made even."""
    cut = cut_of(board)
    found = cues(cut, board.story.film)
    path = write_mix(found, sounds.__getitem__, cut.seconds, board.story.film.ducking, folder)
    return np.fromfile(path, np.float32).reshape(-1, 2)


def strength(samples: np.ndarray, hertz: float, start: float, end: float) -> float:
    """Of a tone between two times, 1 for one of full level."""
    part = samples[round(start * RATE) : round(end * RATE), 0]
    waves = np.exp(-2j * np.pi * hertz * np.arange(len(part)) / RATE)
    return float(2 * abs((part * waves).mean()))


FULL = 2**-3.5  # the level of ffmpeg's tones, of which each side has half the power


def test_each_sound_is_heard_in_its_time_and_at_its_level(sounds: dict[str, Path], tmp_path: Path) -> None:
    board = voice(music(with_sound(board_of(FRAMES), 2, MIDDLE), level=-6.0206), 1)
    found = mixed(replace(board, story=edits.edit_film(board.story, ducking=0)), sounds, tmp_path)
    assert len(found) == 3 * RATE and cut_of(board).seconds == 3
    for hertz, seconds, level in ((220, (0, 1, 2), 0.5), (880, (1,), 1), (440, (2,), 1)):
        for second in range(3):
            heard = strength(found, hertz, second + 0.1, second + 0.9) / FULL
            assert heard == pytest.approx(level if second in seconds else 0, abs=0.05), (hertz, second)


def test_all_else_is_softer_under_a_voice(sounds: dict[str, Path], tmp_path: Path) -> None:
    board = voice(music(board_of(FRAMES)), 1, delay=0.25)
    found = mixed(replace(board, story=edits.edit_film(board.story, ducking=20)), sounds, tmp_path)
    before, under = strength(found, 220, 0.2, 0.8), strength(found, 220, 1.35, 2.15)
    assert under / before == pytest.approx(0.1, rel=0.1)
    assert strength(found, 880, 1.35, 2.15) / FULL == pytest.approx(1, rel=0.05), "the voice itself is not"


def test_ducking_has_soft_edges() -> None:
    times = np.linspace(0, 5, 501)
    gain = 20 * np.log10(under_voices(times, [(1, 2), (2.2, 3)], 12))
    assert gain.min() == pytest.approx(-12) and gain[0] == gain[-1] == 0
    assert np.abs(np.diff(gain)).max() < 0.6, "no step that would be heard"
    assert gain[210] < -9, "it does not come back between two voices that are close"


def test_music_is_cut_to_the_film_or_begins_again(sounds: dict[str, Path], tmp_path: Path) -> None:
    long = board_of([clip(100)])  # 12.5 seconds, the music has 10
    looped, once = (mixed(music(long, loop=loop), sounds, tmp_path) for loop in (True, False))
    assert len(looped) == len(once) == round(12.5 * RATE)
    assert strength(looped, 220, 10.5, 12) > 0.9 * FULL and strength(once, 220, 10.5, 12) < 0.01 * FULL
    skipped = mixed(music(long, loop=False, skip=8), sounds, tmp_path)
    assert strength(skipped, 220, 0.2, 1.8) > 0.9 * FULL and np.abs(skipped[round(2.1 * RATE) :]).max() == 0


def test_fades_are_as_long_as_they_should_be(sounds: dict[str, Path], tmp_path: Path) -> None:
    found = np.abs(mixed(music(board_of(FRAMES), fade_in=1, fade_out=1), sounds, tmp_path)[:, 0])
    level = [found[at - 400 : at + 400].max() for at in (2400, 24_000, 72_000, 120_000, 141_600)]
    assert level[0] < 0.1 * FULL and level[4] < 0.1 * FULL
    assert level[1] == pytest.approx(0.5 * FULL, rel=0.1) and level[3] == pytest.approx(0.5 * FULL, rel=0.1)


def test_a_clip_keeps_its_sound_through_trim_and_speed(sounds: dict[str, Path], tmp_path: Path) -> None:
    board = with_sound(board_of([gradient(16, 48, 72)]), 0, MIDDLE)
    board = shot(board, 0, skip=0.5, cut=0.5, speed=0.5, hold=1)
    (cue,) = cues(cut_of(board), board.story.film)
    assert (cue.start, cue.seconds, cue.part.skip, cue.part.seconds) == (0, 2, 0.5, 1)
    found = mixed(board, sounds, tmp_path)
    assert len(found) == 3 * RATE and strength(found, 440, 0.2, 1.8) > 0.8 * FULL, "slower, and as high as before"
    assert np.abs(found[round(2.05 * RATE) :]).max() == 0, "a picture that is held is silent"


def test_sounds_of_two_clips_cross_with_their_pictures() -> None:
    seams = [Seam(), Seam(kind="cross-fade", seconds=0.5)]
    board = with_sound(with_sound(board_of(FRAMES[:2], seams), 0, LOW), 1, MIDDLE)
    first, second = cues(cut_of(board), board.story.film)
    assert (first.end, second.start) == (1, 0.5) and first.fade_out == second.fade_in == 0.5


def test_what_is_silent_has_no_cue() -> None:
    board = voice(with_sound(board_of(FRAMES), 0, LOW), 1, level=-60)
    assert cues(cut_of(shot(board, 0, level=-60)), board.story.film) == ()
    late = voice(board_of(FRAMES), 2, delay=30)
    assert cues(cut_of(late), late.story.film) == (), "it would begin after the end"


# --- loudness --------------------------------------------------------------------------------------------------------


def loudness(path: Path) -> float:
    """LUFS, by another meter of ffmpeg."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", str(path), "-af", "ebur128"]
    told = subprocess.run([*program, "-f", "null", "-"], capture_output=True, check=True).stderr.decode()
    return float(re.findall(r"I:\s+(-?[\d.]+) LUFS", told)[-1])


@pytest.mark.parametrize("level, wanted", [(-20, -16), (12, -16), (-20, -23)])
def test_films_are_as_loud_as_they_should_be(
    level: float, wanted: float, sounds: dict[str, Path], tmp_path: Path
) -> None:
    board = music(board_of([clip(40, 120, 48, 72)]), level=level)
    board = replace(board, story=edits.edit_film(board.story, loudness=wanted))
    film.film_mp4(tmp_path / "a.mp4", board, lambda take: clip(40, 120, 48, 72), sounds.__getitem__)
    assert loudness(tmp_path / "a.mp4") == pytest.approx(wanted, abs=0.5)


def test_silence_is_not_made_louder(tmp_path: Path) -> None:
    np.zeros(4 * RATE * 2, np.float32).tofile(tmp_path / "mix.raw")
    assert measure(tmp_path / "mix.raw")["input_i"] == float("-inf")
    assert "loudnorm" not in levelled(tmp_path / "mix.raw", -16)


# --- the file --------------------------------------------------------------------------------------------------------


def ends(path: Path) -> tuple[float, float]:
    """Seconds at which picture and sound end, by the packets."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-map", "0", "-c", "copy", "-f"]
    told = subprocess.run([*program, "framecrc", "-"], capture_output=True, check=True).stdout.decode()
    bases = {int(a): int(b) / int(c) for a, b, c in re.findall(r"#tb (\d+): (\d+)/(\d+)", told)}
    found = {0: 0.0, 1: 0.0}
    for line in (line.split(",") for line in told.splitlines() if not line.startswith("#")):
        track = int(line[0])
        found[track] = max(found[track], (int(line[2]) + int(line[3])) * bases[track])
    return found[0], found[1]


def test_a_silent_film_has_no_track(sounds: dict[str, Path], tmp_path: Path) -> None:
    board = shot(with_sound(board_of(FRAMES), 0, LOW), 0, level=-60)
    film.film_mp4(tmp_path / "a.mp4", board, lambda take: FRAMES[int(take.id)], sounds.__getitem__)
    assert not read_header(tmp_path / "a.mp4").sound


def test_sound_changes_no_frame_and_ends_with_the_picture(sounds: dict[str, Path], tmp_path: Path) -> None:
    board = voice(music(board_of(FRAMES, rate=24.0)), 1)
    for name, heard in (("silent.mp4", None), ("loud.mp4", sounds.__getitem__)):
        film.film_mp4(tmp_path / name, board, lambda take: FRAMES[int(take.id)], heard)
    silent, loud = (read_clip(tmp_path / name, 384, 576, 24) for name in ("silent.mp4", "loud.mp4"))
    assert np.array_equal(silent, loud)
    content = (tmp_path / "loud.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat") and b"mp4a" in content and b"avc1" in content
    assert read_header(tmp_path / "loud.mp4").sound
    picture, sound = ends(tmp_path / "loud.mp4")
    assert picture == pytest.approx(1) and abs(picture - sound) < 1 / 24


def test_what_the_meter_says_is_json_that_is_read(sounds: dict[str, Path], tmp_path: Path) -> None:
    found = mixed(music(board_of(FRAMES)), sounds, tmp_path)
    assert np.abs(found).max() < 1
    assert json.dumps(measure(tmp_path / "mix.raw")) and -40 < measure(tmp_path / "mix.raw")["input_i"] < -10
