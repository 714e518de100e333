"""Stories whose present revision can't be read go back to the nearest one that can; what can't be read is set aside.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import sqlite3
import time
from functools import partial

from pipeline.errors import ThroughlineError

from .database import Database
from .schema import is_whole, unpack


def repair(database: Database) -> list[tuple[str, str]]:
    """Looks at the present revision of every story (a fifth of a millisecond each). Gives owners and, in words, what
    of theirs was repaired or could not be."""
    query = "SELECT owner, id, title, present, doc FROM stories LEFT JOIN revisions ON story = id AND number = present"
    found = [row for row in database.rows(query) if not _is_sound(row[4])]
    told = []
    for owner, story, title, present, _ in found:
        number = database.write(partial(_go_back, story))
        found_none = "none of its versions can be read" if number is None else f"version {number} is shown"
        told.append((owner, f"story {title!r} was damaged in version {present}: {found_none}"))
    return told


def _go_back(story: str, db: sqlite3.Connection) -> int | None:
    """Makes the last revision present that can be read, and sets aside those that can't. None if there is none: then
    the story stays as it is."""
    rows = db.execute("SELECT number, doc FROM revisions WHERE story = ? ORDER BY number", (story,)).fetchall()
    sound = [number for number, doc in rows if is_whole(doc)]
    if not sound:
        return None
    for number, doc in rows:
        if number not in sound:
            db.execute("INSERT INTO damaged VALUES (?, ?, ?, ?)", (story, number, doc, time.time()))
            db.execute("DELETE FROM revisions WHERE story = ? AND number = ?", (story, number))
    for place, number in enumerate(sound):  # undo goes from each to the one before
        db.execute("UPDATE revisions SET number = ? WHERE story = ? AND number = ?", (place, story, number))
    present = len(sound) - 1
    db.execute("UPDATE stories SET present = ?, rev = rev + 1 WHERE id = ?", (present, story))
    return present


def _is_sound(doc: bytes | None) -> bool:
    """By its checksum alone."""
    try:
        return doc is not None and bool(unpack(doc))
    except (ThroughlineError, UnicodeDecodeError, TypeError):
        return False
