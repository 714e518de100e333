"""What a script is made of, whatever format it comes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import ThroughlineError

Kind = Literal["heading", "action", "cue", "manner", "dialogue", "lyric", "note", "synopsis", "transition", "other"]

MOST_BYTES = 2 * 2**20  # of a file; a long feature film takes a tenth
MOST_ELEMENTS = 50_000


@dataclass(frozen=True)
class Element:
    """A paragraph of a script. text: without marks; for "other", with what it is: "section: Act One"."""

    kind: Kind
    text: str
    line: int  # of the file, from 1; of an FDX file, the paragraph


@dataclass(frozen=True)
class Screenplay:
    title: str
    elements: tuple[Element, ...]
    unused: tuple[str, ...] = ()  # what no element says, in words

    def __post_init__(self) -> None:
        if len(self.elements) > MOST_ELEMENTS:
            raise ThroughlineError(f"script has {len(self.elements)} paragraphs: expected at most {MOST_ELEMENTS}")


def one_line(text: str) -> str:
    """A text on one line, without what can't be printed."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
