"""The SQLite database of the library: how it is opened, migrated, written, and what is done when it is damaged: it is
set aside under another name, never deleted, and every row that can still be read is copied into a new one.

The journal is a rollback journal, never WAL: the SQLite that Python 3.11 links on Debian 12 (3.40.1) has the WAL-reset
bug. synchronous=EXTRA is FULL and a sync of the folder after the journal is deleted: without that a power cut may take
back the last transaction.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Any

from pipeline.errors import ThroughlineError

Migrations = tuple[tuple[str, ...], ...]  # the statements of entry k bring a database from version k to k + 1

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
SCANNED_ROWS = 1 << 12  # of a table whose length can't be read
PATIENCE_SECONDS = 10.0  # for another process to end its transaction

_log = logging.getLogger(__name__)


class Database:
    """One connection, behind a lock that threads may also take for longer. `notice` tells the user what went wrong on
    opening, '' if nothing did. Methods raise ThroughlineError for what SQLite can't do (a full disk, ...)."""

    def __init__(self, path: Path, migrations: Migrations) -> None:
        """Opens a database, or makes it. What can be read of a damaged one is in the new one. Raises ThroughlineError
        for one that a newer version wrote, or that can't be opened."""
        self.path = path
        self.notice = ""
        self._damaged: tuple[Path, str] | None = None  # set aside on opening, and why
        self.lock = threading.RLock()
        try:
            self._connection = self._open()
            try:
                self._migrate(migrations)
                if self._damaged:
                    self._rescue(*self._damaged)
            except BaseException:
                self._connection.close()
                raise
            self._version = self._data_version()
        except sqlite3.Error as error:
            raise ThroughlineError(f"library {path} can't be opened: {error}") from error

    def close(self) -> None:
        with self.lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it is on disk after the block, or, if anything raises, nothing."""
        with self.lock:
            try:
                with _all_or_nothing(self._connection):
                    yield self._connection
            except sqlite3.Error as error:
                raise ThroughlineError(f"library {self.path} can't be written: {error}") from error

    def rows(self, query: str, *values: Any) -> list[Any]:
        with self.lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise ThroughlineError(f"library {self.path} can't be read: {error}") from error

    def changed_by_others(self) -> bool:
        """Whether another connection wrote since this was last asked. Takes microseconds."""
        with self.lock:
            before, self._version = self._version, self._data_version()
            return before != self._version

    def _data_version(self) -> int:
        ((version,),) = self.rows("PRAGMA data_version")
        return int(version)

    def _open(self) -> sqlite3.Connection:
        connection, problem = _checked(self.path)
        if problem:
            connection.close()
            self._damaged = set_aside(self.path), problem
            connection, _ = _checked(self.path)
        return connection

    def _rescue(self, aside: Path, problem: str) -> None:
        with _all_or_nothing(self._connection) as db:
            db.execute("PRAGMA defer_foreign_keys = ON")
            lost = rescue(aside, db)
            for table in ("jobs", "takes", "revisions"):  # what belongs to a story that could not be read
                db.execute(f"DELETE FROM {table} WHERE story NOT IN (SELECT id FROM stories)")
        self.notice = f"library {self.path} was damaged ({problem}): it is kept as {aside.name}, {lost}"
        _log.warning(self.notice)

    def _migrate(self, migrations: Migrations) -> None:
        with _all_or_nothing(self._connection) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > len(migrations):
                known = f"expected at most version {len(migrations)}"
                raise ThroughlineError(
                    f"library {self.path} is of version {version}, from a newer Throughline: {known}"
                )
            for statement in (statement for step in migrations[version:] for statement in step):
                db.execute(statement)
            if version < len(migrations):
                db.execute(f"PRAGMA user_version = {len(migrations)}")


def _checked(path: Path) -> tuple[sqlite3.Connection, str]:
    """An open database and what is wrong with it, '' if nothing is. Other errors than damage are raised."""
    connection = sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for setting in ("journal_mode = DELETE", "synchronous = EXTRA", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        return connection, "" if found == "ok" else " ".join(found.split())
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in DAMAGED:
            return connection, str(error)
        connection.close()
        raise


def set_aside(path: Path) -> Path:
    """Renames a database, and a journal that is left of it, which would spoil the next one."""
    stamp = path.with_name(f"{path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    others = (stamp.with_stem(f"{stamp.stem}-{number}") for number in count(2))
    aside = next(name for name in chain([stamp], others) if not name.exists())
    path.rename(aside)
    journal = path.with_name(path.name + "-journal")
    if journal.exists():
        journal.rename(aside.with_name(aside.name + "-journal"))
    return aside


def rescue(damaged: Path, fresh: sqlite3.Connection) -> str:
    """Copies every row that can be read into the same tables of `fresh`; says in words what came of it."""
    counts, unread = [], []
    with closing(sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True)) as source:
        source.execute("PRAGMA writable_schema = ON")  # reads a file that is shorter than it says
        source.text_factory = lambda data: data.decode(errors="replace")
        tables = fresh.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        for (table,) in tables.fetchall():
            columns = [row[1] for row in fresh.execute(f"PRAGMA table_info({table})")]
            found, whole = _readable(source, table, columns)
            names, marks = ", ".join(map(_quoted, found[0])), ", ".join("?" * len(found[0]))
            copied = sum(
                fresh.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row).rowcount
                for row in found[1]
            )
            counts.append(f"{copied} {table}")
            unread += [] if whole else [table]
    rest = f"some {' and '.join(unread)} could not be read" if unread else "nothing is missing"
    return f"{', '.join(counts)} were copied into a new one; {rest}"


def _readable(
    source: sqlite3.Connection, table: str, columns: list[str]
) -> tuple[tuple[list[str], list[tuple[Any, ...]]], bool]:
    """The columns of a table that are there, its rows that can be read, and whether those are all."""
    try:
        there = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
        last = source.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 0
    except sqlite3.DatabaseError:
        there, last = set(columns), SCANNED_ROWS
    known = [name for name in columns if name in there]
    query = f"SELECT {', '.join(map(_quoted, known))} FROM {table} WHERE rowid BETWEEN ? AND ?"
    rows: list[tuple[Any, ...]] = []
    return (known, rows), _collect(source, query, 1, last, rows) if known else last == 0


def _quoted(name: str) -> str:
    return f'"{name}"'


def _collect(source: sqlite3.Connection, query: str, first: int, last: int, rows: list[tuple[Any, ...]]) -> bool:
    """Reads a range of rows; where that fails, each half of it. False if some could not be read."""
    try:
        rows += source.execute(query, (first, last)).fetchall()
        return True
    except sqlite3.DatabaseError:
        if first >= last:
            return False
        middle = (first + last) // 2
        halves = [_collect(source, query, *half, rows) for half in ((first, middle), (middle + 1, last))]
        return all(halves)


@contextmanager
def _all_or_nothing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have ended it already
            connection.execute("ROLLBACK")
        raise
