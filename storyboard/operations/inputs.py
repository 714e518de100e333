"""What comes in from pages, shells and programs, checked and turned into values. Raises ThroughlineError."""

from __future__ import annotations

import base64
import binascii
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from pipeline.errors import ThroughlineError

from ..document.conditioning import past_of, word_ref
from ..document.story import Board, Value, WordRef, new_id, parse
from ..media.temporary import temporary_folder
from ..rendering.jobs.decided import Trial
from ..store.files import file_name
from ..store.room import SPARE_TEMPORARY_BYTES, check_disk
from .arguments import Key

OWNER = re.compile(r"[0-9A-Za-z_-]{16,64}")
MOST_BYTES = 20 * 2**20  # of an upload
DATA_URI = re.compile(r"\s*data:[^,]{0,100};base64,")
PIECE = 1 << 18  # characters of an upload that are read at once
MOST_CELLS = 36  # of a sheet


def checked_owner(owner: str) -> str:
    if not isinstance(owner, str) or not OWNER.fullmatch(owner):
        raise ThroughlineError("owner is no secret of 16 to 64 letters, digits, - and _")
    return owner


# --- trials and uploads ----------------------------------------------------------------------------------------------


class PromptSpan(Value):
    """Characters of a scene's prompt."""

    model_config = ConfigDict(strict=True)

    scene: Key
    start: int = Field(ge=0)
    end: int = Field(ge=1)


class Without(Value):
    """What a trial leaves out: all of the history, or one word of an earlier scene."""

    model_config = ConfigDict(strict=True)

    history: bool = False
    word: PromptSpan | None = None

    def ref(self, board: Board, scene: str) -> WordRef | None:
        """The word, of an earlier scene or of an entry of the cast; None for all of the history."""
        if self.word is None:
            return None
        found = [other for other in past_of(board, scene) if other.id == self.word.scene]
        past = found[-1] if found else board.story.scene(self.word.scene)
        start, end = self.word.start, self.word.end
        if not past.prompt[start:end].strip() or end > len(past.prompt):
            place = f"characters {start} to {end} of scene {past.id!r}"
            raise ThroughlineError(f"{place} are no word: its prompt has {len(past.prompt)}")
        return word_ref(past, start, end)


def comparison(board: Board, scene: str, without: Mapping[str, Any]) -> Trial:
    """The chosen take's seed again, without what `Without` says. Raises ThroughlineError if there is no take."""
    take = board.chosen(board.story.scene(scene))
    if take is None:
        raise ThroughlineError("there is no take to compare with: render the scene first")
    word = parse(Without, dict(without)).ref(board, scene)
    return Trial(without=word, against=take.id) if word else Trial(history=False, against=take.id)


def sheet_trials(w1: Sequence[float], w2: Sequence[float], steps: int) -> list[Trial]:
    """A trial for every pair of weights. Raises ThroughlineError for too many."""
    if not 1 <= len(w1) * len(w2) <= MOST_CELLS:
        raise ThroughlineError(f"a sheet of {len(w1)} x {len(w2)}: expected 1 to {MOST_CELLS} cells")
    same: dict[str, Any] = {"steps": min(max(int(steps), 4), 50), "sheet": new_id()}
    return [Trial(text_weight=float(a), history_weight=float(b), **same) for b in w2 for a in w1]


@contextmanager
def uploaded(data: str, name: str) -> Iterator[Path]:
    """An upload, base64 or a data: URI of it, as a temporary file with the name's ending."""
    shown, uri = reprlib.repr(name), DATA_URI.match(data)
    start = uri.end() if uri else 0
    if len(data) - start > MOST_BYTES * 4 / 3 + 4:
        raise ThroughlineError(f"{shown} is too large: expected at most {MOST_BYTES // 2**20} MB")
    with temporary_folder() as folder:
        check_disk(folder, len(data) * 3 // 4, SPARE_TEMPORARY_BYTES)
        path = folder / file_name(Path(name).name, "upload")
        try:
            with path.open("wb") as file:
                file.writelines(_decoded(data, start))
        except (binascii.Error, ValueError):
            raise ThroughlineError(f"{shown} did not arrive whole: try again") from None
        yield path


def _decoded(data: str, start: int) -> Iterator[bytes]:
    """Base64 from a place on, piece by piece: what reads a whole upload at once holds all other threads up. Raises
    ValueError for what is none."""
    rest = ""
    for place in range(start, len(data), PIECE):
        text = rest + "".join(data[place : place + PIECE].split())  # programs break it into lines
        whole = max(len(text) - 1, 0) // 4 * 4  # the last characters may be padded, no others
        if "=" in text[:whole]:
            raise ValueError("padding before the end")
        yield base64.b64decode(text[:whole], validate=True)
        rest = text[whole:]
    yield base64.b64decode(rest, validate=True)
