"""What sounds in a film and when: what clips brought along, a voice beside scenes, music under all of it.

Imports neither torch nor gradio, nor moviepy (`storyboard.film.mix`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ..document.film import SILENT, FilmSettings
from ..media.sound import Excerpt
from .cut import Cut, FilmScene, Passage

ALL = Excerpt()
CUT_SECONDS = 0.01  # of fade where a sound is cut, or it would click


@dataclass(frozen=True)
class Cue:
    """A sound at its place in the film, in seconds."""

    kind: Literal["clip", "voice", "music"]
    file: str  # digest
    start: float
    seconds: float  # of the film, at most
    part: Excerpt = ALL  # of the sound
    level: float = 0.0  # decibels
    fade_in: float = CUT_SECONDS
    fade_out: float = CUT_SECONDS
    loop: bool = False

    @property
    def end(self) -> float:
        return self.start + self.seconds


def cues(cut: Cut, film: FilmSettings) -> tuple[Cue, ...]:
    """Everything that sounds in a film, in no order."""
    found = [*_of_clips(cut), *_voices(cut), *_music(cut, film)]
    return tuple(cue for cue in found if cue.level > SILENT and cue.seconds > 0)


def _of_clips(cut: Cut) -> Iterator[Cue]:
    """The sound of takes, faded where their pictures are."""
    rate, following = cut.frames_per_second, [*cut.passages[1:], Passage(0, 0, 0)]
    for part, start, into, out in zip(cut.parts, cut.part_starts, cut.passages, following, strict=False):
        if isinstance(part, FilmScene) and part.take.sound:
            own, shot = part.take.frames_per_second, part.scene.shot
            excerpt = Excerpt(part.used.first / own, part.used.frames / own, shot.speed)
            cue = Cue("clip", part.take.sound, start / rate, part.moving(rate) / rate, excerpt, shot.level)
            yield _faded(cue, into.into / rate, out.out / rate)


def _voices(cut: Cut) -> Iterator[Cue]:
    for shot, start in zip(cut.shots, cut.starts, strict=True):
        if voice := shot.scene.shot.voice:
            begins = start / cut.frames_per_second + voice.delay
            cue = Cue("voice", voice.file, begins, min(voice.seconds, cut.seconds - begins), level=voice.level)
            yield _faded(cue, voice.fade_in, voice.fade_out)


def _music(cut: Cut, film: FilmSettings) -> Iterator[Cue]:
    music = film.music
    if music and music.skip < music.seconds:
        left = music.seconds - music.skip
        lasts = cut.seconds if music.loop else min(left, cut.seconds)
        cue = Cue("music", music.file, 0.0, lasts, Excerpt(music.skip, left), music.level, loop=music.loop)
        yield _faded(cue, music.fade_in, music.fade_out)


def _faded(cue: Cue, fade_in: float, fade_out: float) -> Cue:
    return replace(cue, fade_in=max(CUT_SECONDS, fade_in), fade_out=max(CUT_SECONDS, fade_out))
