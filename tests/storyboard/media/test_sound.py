"""Sound that users bring: what is read, what is refused, and that nothing else is."""

import math
import random
import subprocess
import wave
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from pipeline.errors import ThroughlineError
from storyboard.media import sound
from storyboard.media.sound import Excerpt, decode_sound, keep_upload
from storyboard.media.video import RATE
from tests.storyboard.conftest import gradient
from tests.storyboard.media.test_matrix import H264, coded, drawn

KINDS = {
    "a.wav": ["pcm_s16le"], "b.wav": ["pcm_f32le"], "a.mp3": ["libmp3lame"], "a.flac": ["flac"], "a.ogg": ["libvorbis"],
    "b.ogg": ["libopus"], "a.m4a": ["aac"], "a.aac": ["aac"], "a.aiff": ["pcm_s16be"], "a.mka": ["flac"],
}  # fmt: skip

ALL = Excerpt()


def tone(path: Path, seconds: float = 2.0, codec: list[str] = KINDS["a.wav"], hertz: int = 440) -> Path:
    """A file with a tone."""
    source = f"sine={hertz}:d={seconds}:r=44100"
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:a", *codec]
    subprocess.run([*program, "-strict", "-2", str(path)], check=True, capture_output=True)
    return path


def samples(path: Path, folder: Path, part: Excerpt = ALL) -> np.ndarray:
    """Shape (N, 2)."""
    count = decode_sound(path, folder / "out.raw", part)
    found = np.fromfile(folder / "out.raw", np.int16).reshape(-1, 2)
    assert len(found) == count
    return found


def pitch(found: np.ndarray) -> float:
    """Hertz, by the crossings of zero of the left."""
    left = found[RATE // 10 : -RATE // 10, 0]
    return float((np.diff(np.signbit(left)) != 0).sum() / 2 / (len(left) / RATE))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_sound_is_kept_as_aac_of_its_length(name: str, tmp_path: Path) -> None:
    seconds = keep_upload(tone(tmp_path / name, 2, KINDS[name]), tmp_path / "kept.m4a")
    assert seconds == pytest.approx(2, abs=0.06)
    kept = samples(tmp_path / "kept.m4a", tmp_path)
    assert len(kept) / RATE == pytest.approx(seconds, abs=0.03)
    assert pitch(kept) == pytest.approx(440, abs=3) and np.abs(np.diff(kept.astype(int))).max() < 300, "on both sides"


def test_the_sound_of_a_video_is_a_sound(tmp_path: Path) -> None:
    coded(tmp_path / "a.mp4", drawn(), H264, sound="aac")
    assert keep_upload(tmp_path / "a.mp4", tmp_path / "kept.m4a") == pytest.approx(3, abs=0.06)


@pytest.mark.parametrize("speed", [0.1, 0.4, 1.0, 1.7, 5.0])
def test_a_speed_changes_the_length_and_not_the_pitch(speed: float, tmp_path: Path) -> None:
    found = samples(tone(tmp_path / "a.wav"), tmp_path, Excerpt(0.5, 1.0, speed))
    assert len(found) / RATE == pytest.approx(1 / speed, rel=0.06)
    assert pitch(found) == pytest.approx(440, rel=0.03)


@pytest.mark.parametrize(
    "content, told",
    [
        (b"", "is not a sound that can be read: expected MP3, WAV"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "is not a sound that can be read"),
        (b"RIFF\0\0\0\0WAVEfmt ", "can't be read"),
        (b"ID3" + bytes(400), "can't be read"),
        (b"OggS" + b"\xff" * 300, "can't be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not a sound that can be read"),
    ],
)
def test_what_is_no_sound_is_refused_in_a_line(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(content)
    with pytest.raises(ThroughlineError) as caught:
        keep_upload(path, tmp_path / "kept.m4a")
    said = str(caught.value)
    assert said.startswith("sound 'song.mp3' ") and told in said and "\n" not in said and str(tmp_path) not in said
    assert not (tmp_path / "kept.m4a").exists()


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    coded(tmp_path / "a.mp4", gradient(4, 48, 72), H264)
    with pytest.raises(ThroughlineError, match=r"'a.mp4' has no sound track"):
        keep_upload(tmp_path / "a.mp4", tmp_path / "kept.m4a")


def test_more_sound_than_the_limit_is_refused_before_all_of_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound, "MOST_SECONDS", 3.0)
    with pytest.raises(ThroughlineError, match=r"'a.wav' is too long: expected at most 3 s"):
        keep_upload(tone(tmp_path / "a.wav", 60), tmp_path / "kept.m4a")


def test_a_codec_that_is_not_allowed_is_not_decoded(tmp_path: Path) -> None:
    tone(tmp_path / "a.mka", 1, ["wavpack"])
    with pytest.raises(ThroughlineError, match="can't be read"):
        keep_upload(tmp_path / "a.mka", tmp_path / "kept.m4a")


def test_wav_of_our_own_making_is_read_to_the_sample(tmp_path: Path) -> None:
    left = np.array([round(9000 * math.sin(k / 20)) for k in range(RATE)], np.int16)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.stack([left, -left], 1).tobytes())
    found = samples(tmp_path / "a.wav", tmp_path)
    assert np.array_equal(found[:, 0], left) and np.array_equal(found[:, 1], -left)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.ogg"])
def test_spoiled_sounds_are_kept_or_refused_and_nothing_else(name: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    whole = tone(tmp_path / name, 0.5, KINDS[name]).read_bytes()
    for _ in range(4):
        spoiled = bytearray(whole[: rng.choice([len(whole), rng.randrange(20, len(whole))])])
        for _ in range(rng.choice([1, 16, 200])):
            spoiled[rng.randrange(min(rng.choice([200, len(spoiled)]), len(spoiled)))] ^= 1 << rng.randrange(8)
        (tmp_path / name).write_bytes(spoiled)
        try:
            assert 0 < keep_upload(tmp_path / name, tmp_path / "kept.m4a") <= 900
        except ThroughlineError as error:
            assert str(error).isprintable() and str(tmp_path) not in str(error)
