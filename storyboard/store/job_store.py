"""The renders that have not ended, on disk: what a crash can't take out of the line. And how long past ones took.

A job is held by one process, whose lock file says that it lives. What a dead process held, another one adopts; of two
that start at once, one. Every beginning is counted, so that a scene that ends the process is not begun for ever.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from filelock import FileLock, Timeout

from pipeline.errors import ThroughlineError

from ..document.story import new_id
from .database import Database
from .schema import SavedJob

MOST_TIMINGS = 20

Kind = tuple[str, str, bool]  # of renders: model, device, and whether something is remembered


class JobStore:
    """The jobs of a library. Methods raise ThroughlineError for a disk that can't be read or written."""

    def __init__(self, database: Database, folder: Path) -> None:
        """folder: where the lock files of this library's processes lie."""
        self._database, self._folder = database, folder
        self._timings: dict[Kind, list[tuple[float, float]]] = {}  # those of other processes are not missed
        self._name = new_id()  # of this process's part of the line
        self._lock = self._lock_of(self._name)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._lock.acquire(timeout=0)
        except OSError as error:
            raise ThroughlineError(f"folder {folder} can't be written: {error.strerror}") from error

    def close(self) -> None:
        """What is left in line is free for whoever adopts it."""
        self._let_go(self._name, self._lock)

    # --- jobs --------------------------------------------------------------------------------------------------------

    def add(self, jobs: Sequence[SavedJob]) -> None:
        """Notes renders, so that they are known after a crash: all of them, or none."""

        def write(db: Connection) -> None:
            for job in jobs:
                known = db.execute(
                    "SELECT 1 FROM stories WHERE id = ? AND owner = ? AND deleted IS NULL", (job.story, job.owner)
                ).fetchone()
                if known is None:
                    raise ThroughlineError(f"story {job.story!r} does not exist")
                row = (job.id, job.story, job.scene, json.dumps(job.content, allow_nan=False), self._name)
                db.execute("INSERT INTO jobs (id, story, scene, content, holder) VALUES (?, ?, ?, ?, ?)", row)

        self._database.write(write)

    def begin(self, job_id: str) -> None:
        """Counts a beginning, before anything is done that may end the process."""
        self._count(job_id, 1)

    def put_back(self, job_id: str) -> None:
        """Takes a beginning back: the process stops, and not because of this job."""
        self._count(job_id, -1)

    def _count(self, job_id: str, by: int) -> None:
        row = (by, job_id)
        self._database.write(lambda db: db.execute("UPDATE jobs SET attempts = attempts + ? WHERE id = ?", row))

    def end(self, job_ids: Iterable[str]) -> None:
        """Forgets jobs: they are done, failed or cancelled."""
        rows = [(job_id,) for job_id in job_ids]
        self._database.write(lambda db: db.executemany("DELETE FROM jobs WHERE id = ?", rows))

    def jobs(self) -> list[SavedJob]:
        """The jobs of all owners and processes that have not ended, oldest first."""
        return self._read("")

    def adopt(self) -> list[SavedJob]:
        """Takes over what processes hold that live no more; gives it, oldest first."""
        holders = self._database.rows("SELECT DISTINCT holder FROM jobs WHERE holder <> ?", self._name)
        found = {job.id for (holder,) in holders for job in self._taken_from(holder)}
        return [job for job in self.jobs() if job.id in found]

    def _taken_from(self, holder: str) -> list[SavedJob]:
        lock = self._lock_of(holder or "nobody")  # jobs of a library from before there were holders
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return []

        def write(db: Connection) -> list[SavedJob]:  # whoever comes second finds nothing left
            jobs = self._read("AND holder = ?", holder)
            db.execute("UPDATE jobs SET holder = ? WHERE holder = ?", (self._name, holder))
            return jobs

        try:
            return self._database.write(write)
        finally:
            self._let_go(holder or "nobody", lock)

    def _read(self, condition: str, *values: str) -> list[SavedJob]:
        query = "SELECT jobs.id, owner, story, scene, content, attempts FROM jobs JOIN stories ON stories.id = story"
        rows = self._database.rows(f"{query} WHERE deleted IS NULL {condition} ORDER BY number", *values)
        return [
            SavedJob(job, owner, story, scene, json.loads(content), tried)
            for job, owner, story, scene, content, tried in rows
        ]

    def _lock_of(self, name: str) -> FileLock:
        return FileLock(self._folder / f"{name}.lock", thread_local=False)

    def _let_go(self, name: str, lock: FileLock) -> None:
        (self._folder / f"{name}.lock").unlink(missing_ok=True)
        lock.release()

    # --- timings -----------------------------------------------------------------------------------------------------

    def add_timing(self, model: str, device: str, remembers: bool, work: float, seconds: float) -> None:
        """Notes how long a render took. work: in any unit that its time grows with."""
        kind = (model, device, remembers)

        def write(db: Connection) -> None:
            row = (*kind, work, seconds)
            db.execute("INSERT INTO timings (model, device, remembers, work, seconds) VALUES (?, ?, ?, ?, ?)", row)
            where = "model = ? AND device = ? AND remembers = ?"
            latest = f"SELECT number FROM timings WHERE {where} ORDER BY number DESC LIMIT {MOST_TIMINGS}"
            db.execute(f"DELETE FROM timings WHERE {where} AND number NOT IN ({latest})", kind * 2)

        self._database.write(write, lambda done: self._timings.pop(kind, None))

    def timings(self, model: str, device: str, remembers: bool) -> list[tuple[float, float]]:
        """(work, seconds) of the latest 20 renders of that kind, oldest first."""
        kind = (model, device, remembers)
        found = self._timings.get(kind)
        if found is None:
            query = "SELECT work, seconds FROM timings WHERE model = ? AND device = ? AND remembers = ? ORDER BY number"
            found = self._timings[kind] = self._database.rows(query, *kind)
        return found


def job_of(owner: str, story: str, scene: str, content: dict[str, Any]) -> SavedJob:
    """A new job. content: what JSON holds."""
    return SavedJob(new_id(), owner, story, scene, content)
