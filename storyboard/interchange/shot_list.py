"""The shot list: a row a scene for spreadsheets, which `storyboard.screenplays.shot_list` reads again."""

from __future__ import annotations

import csv
from pathlib import Path

from ..document.story import Board
from ..screenplays.shot_list import COLUMNS, guarded
from ..store.files import whole_file
from .shots import ShotRow, shot_rows

STARTS_WITH = "\ufeff"  # without it, spreadsheets take other letters than English ones for something else


def shots_csv(path: Path, board: Board) -> None:
    """Raises OSError if the file can't be written."""
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        file.write(STARTS_WITH)
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows([guarded(cell) for cell in _cells(row)] for row in shot_rows(board))


def _cells(row: ShotRow) -> list[str]:
    """In the order of COLUMNS."""
    take = row.take
    status = "no clip yet" if take is None else take.source
    return [
        str(row.number), row.heading, row.action, "\n".join(row.dialogue), row.caption, row.notes, ", ".join(row.cast),
        f"{row.seconds:.3f}", str(row.frames), "" if row.starts is None else f"{row.starts:.3f}", row.seam,
        f"{row.seam_seconds:g}" if row.seam_seconds else "", status, _number(take.seed if take else None),
        _number(take.steps if take else None), row.clip,
    ]  # fmt: skip


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
