"""Which file holds a draft finished: larger, and with frames between its own. With one that is gone only time is lost.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from sqlite3 import Connection

from .database import Database


@dataclass(frozen=True)
class FinishedClip:
    """clip: digest of an MP4 of this size, in pixels, with so many frames at so many a second."""

    clip: str
    width: int
    height: int
    num_frames: int
    frames_per_second: float


class FinishedClips:
    """The finished clips of a library. Methods raise ThroughlineError for a disk that can't be read or written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, draft: str, finisher: str, prompt: str, frames_per_second: float) -> FinishedClip | None:
        """draft: digest of a take's clip. finisher: digest of what finished it. prompt: what that was told."""
        key = "draft = ? AND finisher = ? AND prompt = ? AND rate = ?"
        query = f"SELECT clip, width, height, num_frames FROM finished WHERE {key}"
        rows = self._database.rows(query, draft, finisher, prompt, frames_per_second)
        for clip, width, height, num_frames in rows:
            return FinishedClip(clip, width, height, num_frames, frames_per_second)
        return None

    def add(self, draft: str, finisher: str, prompt: str, made: FinishedClip) -> None:
        """As `find` finds it."""
        row = (draft, finisher, prompt, made.frames_per_second, made.clip, made.width, made.height, made.num_frames)
        insert = f"INSERT OR REPLACE INTO finished VALUES ({', '.join('?' * len(row))})"
        self._database.write(lambda db: db.execute(insert, row))

    def keep(self, finisher: str, drafts: Collection[str]) -> set[str]:
        """Forgets what another finisher made, and of other drafts; gives the digests of the rest."""

        def write(db: Connection) -> set[str]:
            rows = db.execute("SELECT rowid, finisher, draft, clip FROM finished").fetchall()
            live = {number: clip for number, by, of, clip in rows if by == finisher and of in drafts}
            db.executemany("DELETE FROM finished WHERE rowid = ?", [(row[0],) for row in rows if row[0] not in live])
            return set(live.values())

        return self._database.write(write)
