"""The pictures of a film, composed by moviepy: cuts, cross-fades, dips to black, cards, captions, speed and stills.

moviepy is given two parts of a film at a time, the one that is shown and, while they cross, the one before (and the one
before that, where two cross-fades fill a part). Takes are
read as they are shown, frame after frame, so that memory does not grow with the film's length, nor with a take's.

moviepy's fades begin with nothing at their first frame. Where parts meet, the second one therefore begins a frame
early, unseen: then each frame of a seam shows something of both, and the frame before a dip's second half is black.

Shapes: H rows, W columns of the picture, S rows of captions; frames are uint8.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from moviepy import CompositeVideoClip, ImageClip, VideoClip, vfx

from ..document.story import Take
from ..media.fit import fitted
from . import captions
from .cut import Cut, FilmCard, FilmScene, Passage

FramesOf = Callable[[Take], Iterable[np.ndarray]]  # of a take, (H, W, 3) one after the other
Size = tuple[int, int]  # width and height
NEARLY = 1e-6  # of a frame: by how much times may be off


def film_frames(
    cut: Cut, frames_of: FramesOf, size: Size, captioned: bool = False
) -> Generator[np.ndarray, None, None]:  # (H, W, 3), or (H + S, W, 3) with captions under the pictures
    """The frames of the film. Takes of another shape than `size` are cut to it, never stretched."""
    strips = _strips(cut, size[0]) if captioned else []
    ground = np.zeros((size[1] + (len(strips[0]) if strips else 0), size[0], 3), np.uint8)
    begins = [start - _early(seam) for start, seam in zip(cut.part_starts, cut.passages, strict=True)]
    playing: list[_Playing] = []
    try:
        for place, (first, last) in enumerate(zip(begins, [*begins[1:], cut.frames], strict=True)):
            playing = _closed(playing, keep=bool(cut.passages[place].shared))
            playing.append(_part(cut, place, first, frames_of, size))
            stage = _stage(cut, place, playing, ground, strips)
            for frame in range(first, last):
                yield stage.get_frame(frame / cut.frames_per_second)
            over = sum(part.end <= last for part in playing[:-1])  # short ones may go on under the next but one
            playing = _closed(playing[:over]) + playing[over:]
    finally:
        _closed(playing)


@dataclass(frozen=True)
class _Playing:
    clip: Any  # moviepy's, at its place in the film
    reader: _Reader | None  # of a take
    end: int  # the film's frame in which it is over


def _closed(playing: list[_Playing], keep: bool = False) -> list[_Playing]:
    """Closes the takes that are not needed any more; gives what is left."""
    if keep:
        return playing
    for part in playing:
        if part.reader:
            part.reader.close()
    return []


def _early(seam: Passage) -> int:
    """Frames before its start at which a part begins, unseen."""
    return 1 if seam.shared or seam.out else 0


def _stage(cut: Cut, place: int, playing: list[_Playing], ground: np.ndarray, strips: list[np.ndarray]) -> Any:
    """What is seen from the beginning of a part to that of the next, captions above all else: they change at a cut."""
    words = []
    if strips:
        height, start = len(ground) - len(strips[0]), cut.part_starts[place] / cut.frames_per_second
        words = [ImageClip(strips[place]).with_position((0, height)).with_start(start)]
        if place:
            words.insert(0, ImageClip(strips[place - 1]).with_position((0, height)))
    layers = [ImageClip(ground), *(part.clip for part in playing), *words]
    return CompositeVideoClip(layers, size=ground.shape[1::-1], use_bgclip=True)


# --- parts -----------------------------------------------------------------------------------------------------------


def _part(cut: Cut, place: int, begins: int, frames_of: FramesOf, size: Size) -> _Playing:
    """A part with its fades. begins: the film's frame."""
    part, rate, length = cut.parts[place], cut.frames_per_second, cut.part_lengths[place]
    reader = None
    if isinstance(part, FilmCard):
        clip = ImageClip(captions.card_picture(part.card.text, size))
    else:
        reader = _Reader(part, frames_of, size)
        clip = _moving(part, reader)
    into, out = cut.passages[place], cut.passages[place + 1].out if place + 1 < len(cut.parts) else 0
    dips = out and not cut.passages[place + 1].shared
    early = _early(into)
    clip = clip.time_transform(lambda t: max(0.0, t - early / rate), keep_duration=True)
    clip = clip.with_duration((length + early - bool(dips)) / rate)
    if into.shared:
        clip = clip.with_effects([vfx.CrossFadeIn((into.shared + 1) / rate)])
    elif early:
        clip = clip.with_effects([vfx.FadeIn((into.into + 1) / rate)])
    if dips:
        clip = clip.with_effects([vfx.FadeOut(out / rate)])
    if dips or (early and not into.shared):
        clip = clip.image_transform(np.rint)  # moviepy would cut off what is not a whole number
    return _Playing(clip.with_start(begins / rate), reader, cut.part_starts[place] + length)


def _moving(shot: FilmScene, reader: _Reader) -> Any:
    """A take from the first frame that is used, at its speed. Its last one stays for as long as it is asked for."""
    rate, first = shot.take.frames_per_second, shot.used.first
    whole = VideoClip(lambda t: reader.frame(int(t * rate + NEARLY)))
    moving = whole.time_transform(lambda t: t + first / rate)
    return moving.with_effects([vfx.MultiplySpeed(shot.scene.shot.speed)])


class _Reader:
    """The frames of a take at the film's size, one at a time; they are asked for in order."""

    def __init__(self, shot: FilmScene, frames_of: FramesOf, size: Size) -> None:
        self._open: Callable[[], Iterator[np.ndarray]] = lambda: iter(frames_of(shot.take))
        self._last, self._size = shot.used.first + shot.used.frames - 1, size
        self._frames, self._place = self._open(), -1
        self._read: np.ndarray | None = None  # as it is in the take
        self._fitted: np.ndarray | None = None

    def frame(self, index: int) -> np.ndarray:
        """A frame of the take, from 0; the last one that is used, or that there is, for any after it."""
        index = min(index, self._last)
        if index < self._place:
            self.close()
            self._frames, self._place = self._open(), -1
        while self._place < index and (read := next(self._frames, None)) is not None:
            self._read, self._fitted = read, None
            self._place += 1
        assert self._read is not None, "a take has at least one frame"
        if self._fitted is None:
            self._fitted = fitted(self._read, self._size)
        return self._fitted

    def close(self) -> None:
        if isinstance(self._frames, Generator):  # an array has nothing to close
            self._frames.close()


# --- captions --------------------------------------------------------------------------------------------------------


def _strips(cut: Cut, width: int) -> list[np.ndarray]:
    """What lies under each part: black under cards."""
    under = iter(captions.caption_strips([(shot.number, shot.caption) for shot in cut.shots], width))
    strips = [next(under) if isinstance(part, FilmScene) else None for part in cut.parts]
    black = next((np.zeros_like(strip) for strip in strips if strip is not None), np.zeros((0, width, 3), np.uint8))
    return [black if strip is None else strip for strip in strips]
