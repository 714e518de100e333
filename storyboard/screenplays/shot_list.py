"""Shot lists: a row a scene, as comma-separated values. Those of others are read too, by the usual names of columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

from pipeline.errors import ThroughlineError

from ..document.film import Seam
from ..document.script import MOST_CAST, MOST_HEADING, MOST_LINES, MOST_NAME, DialogueLine
from ..document.values import MOST_CHARACTERS
from .adaptation import Adaptation, SceneDraft, captioned
from .elements import one_line
from .names import written

COLUMNS = (
    "Scene", "Heading", "Action", "Dialogue", "Caption", "Notes", "Cast", "Seconds", "Frames", "Starts at", "Seam",
    "Seam seconds", "Status", "Seed", "Steps", "Clip",
)  # fmt: skip
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would reckon, or run
NAMES = {  # of columns that say something of a scene, as others call them
    "heading": ("heading", "location", "place", "set", "slug", "slugline", "scene heading"),
    "action": ("action", "prompt", "description", "shot description", "picture", "video", "visual", "what happens"),
    "dialogue": ("dialogue", "dialog", "line", "lines", "audio", "voice over", "vo", "spoken"),
    "caption": ("caption", "subtitle", "super"),
    "notes": ("notes", "note", "comment", "comments", "remarks"),
    "cast": ("cast", "characters", "character", "talent", "actors", "who"),
    "seconds": ("seconds", "duration", "length", "time", "dur"),
    "seam": ("seam", "transition"),
    "seam seconds": ("seam seconds",),
}
COUNTS = frozenset(["scene", "shot", "no", "no.", "number", "#", "nr", "nr.", "scene number", "shot number"])
SPOKEN = re.compile(r"([^:()\n]{1,60}?)\s*(?:\(([^()\n]*)\))?\s*[:：]\s*(.+)", re.DOTALL)
TIMECODE = re.compile(r"(?:(\d{1,2}):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")
MOST_ROWS, MOST_CELL = 2000, 20_000


def guarded(cell: str) -> str:
    """A cell that spreadsheets take for text, whatever it begins with."""
    return f"'{cell}" if cell.startswith(FORMULAS) else cell


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULAS) else cell


def read_shot_list(text: str) -> Adaptation:
    """Raises ThroughlineError if no column says what a scene shows, or for a table beyond all measure."""
    head, *rows = _rows(text)
    columns = _columns(head)
    if not {"action", "dialogue"} & columns.keys():
        raise ThroughlineError(f"shot list has the columns {_names(head)}: expected one called Action or Description")
    known = {*columns.values(), *(place for place, name in enumerate(head) if name.strip().lower() in COUNTS)}
    rest = [one_line(name)[:100] for place, name in enumerate(head) if place not in known]
    unused = [f"column: {name}" for name in rest if name]
    scenes = []
    for number, row in enumerate(rows, 2):
        cells = {name: unguarded(row[place].strip()) for name, place in columns.items() if place < len(row)}
        if cells.get("action") or cells.get("dialogue"):
            scenes.append(_scene(cells, number, unused))
        elif any(cell.strip() for cell in row):
            unused.append(f"row {number}: {_names(row)}")
    return Adaptation("", tuple(scenes), tuple(unused))


def _rows(text: str) -> list[list[str]]:
    """The rows that are not empty, of commas, semicolons or tabs: whichever the first line has most of."""
    first = text.lstrip().partition("\n")[0]
    table = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        rows = [row for row, _ in zip(table, range(2 * MOST_ROWS), strict=False)]
    except csv.Error as error:
        raise ThroughlineError(f"shot list is no comma-separated table: {error}") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not 2 <= len(rows) <= MOST_ROWS:
        raise ThroughlineError(f"shot list has {len(rows)} rows: expected 2 to {MOST_ROWS}, names of columns first")
    if max(len(cell) for row in rows for cell in row) > MOST_CELL:
        raise ThroughlineError(f"shot list has a cell of more than {MOST_CELL} letters: expected a row a scene")
    return rows


def _columns(head: Iterable[str]) -> dict[str, int]:
    """The place of each column that is known, the first where there are several."""
    found: dict[str, int] = {}
    for place, name in enumerate(head):
        told = " ".join(name.lower().replace("_", " ").split())
        kind = next((kind for kind, names in NAMES.items() if told in names), None)
        if kind:
            found.setdefault(kind, place)
    return found


def _names(cells: Iterable[str]) -> str:
    return ", ".join(repr(one_line(cell)[:40]) for cell in cells)[:200]


def _scene(cells: dict[str, str], row: int, unused: list[str]) -> SceneDraft:
    def cut(name: str, most: int) -> str:
        cell = cells.get(name, "")
        if len(cell) > most:
            unused.append(f"row {row}: {len(cell) - most} letters of {name} beyond {most}")
        return cell[:most]

    dialogue = tuple(_said(cut("dialogue", MOST_CHARACTERS)))[:MOST_LINES]
    cast = [name.strip()[:MOST_NAME] for name in re.split(r"[,;/\n、]", cells.get("cast", "")) if name.strip()]
    speakers = [line.speaker for line in dialogue if line.speaker]
    return SceneDraft(
        heading=one_line(cut("heading", MOST_HEADING)),
        prompt=cut("action", MOST_CHARACTERS) or f"{speakers[0] if speakers else 'Somebody'} is talking.",
        cast=tuple(dict.fromkeys([*cast, *speakers]))[:MOST_CAST],
        dialogue=dialogue,
        caption=cut("caption", MOST_CHARACTERS) or captioned(dialogue),
        notes=cut("notes", MOST_CHARACTERS),
        seam=_seam(cells, row, unused),
        seconds=_seconds(cells.get("seconds", ""), row, unused),
    )


def _said(cell: str) -> Iterator[DialogueLine]:
    """A line each: "MIA (whispering): Who is there?"."""
    for line in filter(None, (one_line(line) for line in cell.splitlines())):
        found = SPOKEN.fullmatch(line)
        speaker, manner, text = found.groups() if found else ("", "", line)
        yield DialogueLine(speaker=written(speaker), text=text, manner=(manner or "")[:MOST_NAME])


def _seam(cells: dict[str, str], row: int, unused: list[str]) -> dict[str, object]:
    told, seconds = cells.get("seam", ""), _number(cells.get("seam seconds", ""))
    kind = next((kind for kind in ("cross-fade", "dip to black", "cut") if kind == told.lower()), None)
    if told and kind is None:
        unused.append(f"row {row}: seam {one_line(told)[:100]}")
    most = next(part.le for part in Seam.model_fields["seconds"].metadata if hasattr(part, "le"))
    timed = {"seconds": seconds} if kind and seconds and 0 < seconds <= most else {}
    return {"kind": kind, **timed} if kind else {}


def _seconds(cell: str, row: int, unused: list[str]) -> float | None:
    """2.5, 2.5 s, 0:02.5."""
    found = TIMECODE.fullmatch(cell)
    if found:
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds
    number = _number(re.sub(r"\s*(?:s|sec|secs|seconds)\.?$", "", cell, flags=re.IGNORECASE))
    if cell and number is None:
        unused.append(f"row {row}: seconds {one_line(cell)[:100]}")
    return number


def _number(cell: str) -> float | None:
    return float(cell.replace(",", ".")) if re.fullmatch(r"\d{1,6}(?:[.,]\d{1,6})?", cell) else None
