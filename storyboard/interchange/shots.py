"""What a shot list, a storyboard on paper and a page to share say of each scene."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.defaults import FRAMES_PER_SECOND

from ..document.script import DialogueLine
from ..document.story import Board, Scene, Take
from ..film.cut import Cut, cut_of

MIXED = ("cross-fade", "dip to black")  # seams that take time


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
    clip: str  # what its file is called beside a timeline; "" without a take


def shot_rows(board: Board) -> list[ShotRow]:
    """A row for every scene, in order."""
    cut = cut_of(board)
    lengths = {shot.scene.id: length for shot, length in zip(cut.shots, cut.lengths, strict=True)}
    return [
        _row(board, number, scene, cut, lengths.get(scene.id)) for number, scene in enumerate(board.story.scenes, 1)
    ]


def _row(board: Board, number: int, scene: Scene, cut: Cut, length: int | None) -> ShotRow:
    """length: frames in the film, None while it is not in it."""
    frames, starts = scene.num_frames if length is None else length, cut.marks.get(scene.id)
    first = starts == 0 or (number == 1 and starts is None)
    return ShotRow(
        number=number,
        heading=scene.script.heading,
        action=scene.prompt.strip(),
        dialogue=tuple(spoken(line) for line in scene.script.dialogue),
        caption=scene.shot.caption or "",
        notes=scene.script.notes,
        cast=scene.script.cast,
        seconds=frames / (FRAMES_PER_SECOND if length is None else cut.frames_per_second),
        frames=frames,
        starts=starts,
        seam="cut" if first else scene.seam.kind,
        seam_seconds=scene.seam.seconds if not first and scene.seam.kind in MIXED else 0.0,
        take=board.chosen(scene),
        clip="" if length is None else f"{clip_name(number, cut)}.mp4",
    )


def clip_name(number: int, cut: Cut) -> str:
    """What a scene's clip is called: its number, in as many digits as the film needs, at most 8 letters."""
    return f"scene{number:0{max(2, len(str(cut.shots[-1].number)))}}"


def spoken(line: DialogueLine) -> str:
    """A line of dialogue as shot lists have it."""
    manner = f" ({line.manner})" if line.manner else ""
    return f"{line.speaker}{manner}: {line.text}" if line.speaker else line.text


def clean(text: str) -> str:
    """A text on one line, without what XML forbids and lists of lines can't hold."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
