"""Captions beside a film: SRT and WebVTT, with the words and the times that captions in the picture have.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from .cut import Cut, FilmScene


class Line(NamedTuple):
    text: str
    start: float  # seconds into the film
    end: float


def lines_of(cut: Cut) -> list[Line]:
    """The captions of a film: each from the beginning of its scene to that of what comes next."""
    ends = [end for _, end in pairwise([*cut.part_starts, cut.frames])]
    found = []
    for part, start, end in zip(cut.parts, cut.part_starts, ends, strict=True):
        if isinstance(part, FilmScene) and part.caption:
            found.append(Line(part.caption, start / cut.frames_per_second, end / cut.frames_per_second))
    return found


def srt(cut: Cut) -> str:
    blocks = []
    for number, line in enumerate(lines_of(cut), 1):
        times = f"{_clock(line.start, ',')} --> {_clock(line.end, ',')}"
        blocks.append(f"{number}\n{times}\n{_without_gaps(line.text)}\n")
    return "\n".join(blocks)


def vtt(cut: Cut) -> str:
    blocks = ["WEBVTT\n"]
    for line in lines_of(cut):
        text = _without_gaps(line.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{_clock(line.start, '.')} --> {_clock(line.end, '.')}\n{text}\n")
    return "\n".join(blocks)


def _without_gaps(text: str) -> str:
    """An empty line would end a caption."""
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.splitlines())))


def _clock(seconds: float, point: str) -> str:
    thousandths = round(seconds * 1000)
    whole, rest = divmod(thousandths, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{rest:03}"
