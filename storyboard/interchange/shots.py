"""What a shot list, a storyboard on paper and a page to share say of each scene."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.defaults import FRAMES_PER_SECOND

from ..document.script import DialogueLine
from ..document.story import Board, Scene, Take
from ..export.film import cut_of


@dataclass(frozen=True)
class ShotRow:
    """A scene in words. seconds: how long it is in the film; without a take, how long its clip would be."""

    number: int  # from 1
    heading: str
    action: str  # its prompt
    dialogue: tuple[str, ...]  # a line each: "MIA (whispering): Who is there?"
    caption: str  # its own; "" for none
    notes: str
    cast: tuple[str, ...]
    seconds: float
    frames: int
    starts: float | None  # seconds into the film; None while it is not in it
    seam: str  # kind; "cut" for the first one
    seam_seconds: float
    take: Take | None


def shot_rows(board: Board) -> list[ShotRow]:
    """A row for every scene, in order."""
    cut = cut_of(board)
    lengths = {shot.scene.id: length for shot, length in zip(cut.shots, cut.lengths, strict=True)}
    return [
        _row(board, number, scene, lengths.get(scene.id), cut.frames_per_second, cut.marks.get(scene.id))
        for number, scene in enumerate(board.story.scenes, 1)
    ]


def _row(board: Board, number: int, scene: Scene, length: int | None, rate: float, starts: float | None) -> ShotRow:
    frames = scene.num_frames if length is None else length
    first = number == 1 or starts == 0
    return ShotRow(
        number=number,
        heading=scene.script.heading,
        action=scene.prompt.strip(),
        dialogue=tuple(spoken(line) for line in scene.script.dialogue),
        caption=scene.shot.caption or "",
        notes=scene.script.notes,
        cast=scene.script.cast,
        seconds=frames / (FRAMES_PER_SECOND if length is None else rate),
        frames=frames,
        starts=starts,
        seam="cut" if first else scene.seam.kind,
        seam_seconds=0.0 if first or scene.seam.kind == "cut" else scene.seam.seconds,
        take=board.chosen(scene),
    )


def spoken(line: DialogueLine) -> str:
    """A line of dialogue as shot lists have it."""
    manner = f" ({line.manner})" if line.manner else ""
    return f"{line.speaker}{manner}: {line.text}" if line.speaker else line.text


def clean(text: str) -> str:
    """A text on one line, without what XML forbids and lists of lines can't hold."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
