"""The sound of a film, composed by moviepy: what clips brought along, a voice beside scenes, music under all of it.

Each sound is decoded into a file, and the mix is written a second at a time: memory does not grow with the film's
length. Under a voice all else is softer, with soft edges. A film to which nothing sounds has no sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from moviepy import AudioArrayClip, CompositeAudioClip, afx

from ..document.film import FilmSettings
from ..media.sound import SAMPLE_BYTES, decode_sound
from ..media.video import RATE, SoundTrack
from .cues import Cue, cues
from .cut import Cut
from .loudness import levelled

PathOf = Callable[[str], Path]  # of the sound of a digest
SOFTER_SECONDS, LOUDER_SECONDS = 0.25, 0.6  # how long it takes to give way to a voice, and to come back
FULL_SCALE = 32768  # of 16-bit samples


def sound_track(cut: Cut, film: FilmSettings, path_of: PathOf, folder: Path) -> SoundTrack | None:
    """The sound of a film, in files of `folder`; None if nothing sounds. Raises as `write_mix` does."""
    found = cues(cut, film)
    if not found:
        return None
    mix = write_mix(found, path_of, cut.seconds, film.ducking, folder)
    return SoundTrack(mix, cut.seconds, levelled(mix, film.loudness))


# --- the mix ---------------------------------------------------------------------------------------------------------


def write_mix(found: Sequence[Cue], path_of: PathOf, seconds: float, ducking: float, folder: Path) -> Path:
    """Writes the mix of so many seconds into `folder`, in RAW_SOUND of `storyboard.media.video`, and gives where.

    ducking: decibels by which all else is softer under a voice. Raises ThroughlineError for a sound that can't be
    decoded.
    """
    voices = [(cue.start, cue.end) for cue in found if cue.kind == "voice"]
    raws = [folder / f"sound-{number}.raw" for number in range(len(found))]
    counts = [decode_sound(path_of(cue.file), raw, cue.part) for cue, raw in zip(found, raws, strict=True)]
    heard = [(cue, raw, count) for cue, raw, count in zip(found, raws, counts, strict=True) if count]
    path, samples = folder / "mix.raw", round(seconds * RATE)
    with path.open("wb") as file:
        for first in range(0, samples, RATE):
            times = np.arange(first, min(first + RATE, samples)) / RATE
            now = [each for each in heard if each[0].start <= times[-1] and each[0].end >= times[0]]
            clips = [_ducked(_clip(*each), each[0], voices, ducking).with_start(each[0].start) for each in now]
            mixed = CompositeAudioClip(clips).get_frame(times) if clips else np.zeros((len(times), 2))
            file.write(mixed.astype(np.float32).tobytes())
    return path


def _clip(cue: Cue, raw: Path, count: int) -> Any:
    """A decoded sound of so many samples as moviepy's clip, over a file that is mapped into memory meanwhile."""
    samples = np.memmap(raw, np.int16, "r", shape=(count, SAMPLE_BYTES // 2))
    clip, whole = AudioArrayClip(samples, fps=RATE), count / RATE
    if cue.loop:
        clip = clip.time_transform(lambda t: t % whole)
    lasts = cue.seconds if cue.loop else min(cue.seconds, whole)
    clip = clip.with_duration(lasts).with_effects([afx.MultiplyVolume(_gain(cue.level) / FULL_SCALE)])
    return clip.with_effects([afx.AudioFadeIn(min(cue.fade_in, lasts)), afx.AudioFadeOut(min(cue.fade_out, lasts))])


def _ducked(clip: Any, cue: Cue, voices: Sequence[tuple[float, float]], decibels: float) -> Any:
    def softer(get_frame: Callable[[Any], np.ndarray], t: np.ndarray) -> np.ndarray:
        gain = under_voices(np.asarray(t) + cue.start, voices, decibels)
        return np.asarray(get_frame(t) * gain[..., None])

    return clip.transform(softer) if voices and decibels and cue.kind != "voice" else clip


def under_voices(times: np.ndarray, voices: Sequence[tuple[float, float]], decibels: float) -> np.ndarray:
    """The gain of what gives way to voices, at `times` of the film in seconds: 1 far from any, lower by `decibels`
    while one is heard, even in decibels between. voices: when each begins and ends."""
    down = np.zeros_like(times, dtype=float)
    for begins, ends in voices:
        corners = (begins - SOFTER_SECONDS, begins, ends, ends + LOUDER_SECONDS)
        down = np.maximum(down, np.interp(times, corners, (0.0, decibels, decibels, 0.0)))
    return np.asarray(_gain(-down))


def _gain(decibels: Any) -> Any:
    return 10 ** (decibels / 20)
