"""The SQLite database of the library: how it is opened, migrated, written, and what is done when it is damaged: it is
set aside under another name, never deleted, and every row that can still be read is copied into a new one.

The journal is a rollback journal, never WAL: the SQLite that Python 3.11 links on Debian 12 (3.40.1) has the WAL-reset
bug. It is not deleted but voided, which is synced too (https://sqlite.org/pragma.html#pragma_journal_mode): a power cut
takes no transaction back. Changes that come while another one is synced share the next commit, and its syncs.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import ThroughlineError

T = TypeVar("T")
Migrations = tuple[tuple[str, ...], ...]  # the statements of entry k bring a database from version k to k + 1

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
SCANNED_ROWS = 1 << 12  # of a table whose length can't be read
PATIENCE_SECONDS = 10.0  # for another process to end its transaction
SETTINGS = ("journal_mode = PERSIST", "journal_size_limit = 1048576", "synchronous = FULL", "foreign_keys = ON")

_log = logging.getLogger(__name__)


class _Change:
    """A change in line, and what came of it."""

    def __init__(self, make: Callable[[sqlite3.Connection], Any], then: Callable[[Any], object]) -> None:
        self.make, self.then = make, then
        self.turn = threading.Event()  # it is done, or its thread is to commit all that are in line
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None


def _nothing(result: Any) -> None: ...


class Database:
    """One connection, behind a lock. `notice` tells what went wrong on opening, '' if nothing did; `damage` the same
    without where. Methods raise ThroughlineError for what SQLite can't do (a full disk, ...)."""

    def __init__(self, path: Path, migrations: Migrations, changed: Callable[[], object] = lambda: None) -> None:
        """Opens a database, or makes it. What can be read of a damaged one is in the new one. Raises ThroughlineError
        for one that a newer version wrote, or that can't be opened.

        changed: called, behind the lock, when another connection is seen to have written something.
        """
        self.path, self._changed, self._version = path, changed, 0
        self.damage = ""
        self._damaged: tuple[Path, str] | None = None  # set aside on opening, and why
        self.lock = threading.RLock()
        self._line: list[_Change] = []
        self._arriving, self._led = threading.Lock(), False  # whether a thread commits, or is told to
        self._making: int | None = None  # the thread that makes changes just now
        self._open = False  # a transaction, during which no other connection can write
        try:
            self._connection = self._opened()
            try:
                self._migrate(migrations)
                if self._damaged:
                    self._rescue(*self._damaged)
            except BaseException:
                self._connection.close()
                raise
            self._look()
        except sqlite3.Error as error:
            raise ThroughlineError(f"library {path} can't be opened: {error}") from error

    @property
    def notice(self) -> str:
        return f"library {self.path} {self.damage}" if self.damage else ""

    def close(self) -> None:
        with self.lock:
            self._connection.close()

    def write(self, make: Callable[[sqlite3.Connection], T], then: Callable[[T], object] = _nothing) -> T:
        """Makes a change: all of it is on disk when this returns, or, if anything raises, nothing.

        Changes that come while another one is committed share the next commit, each undone by itself if it raises.
        make: called in any of their threads. then: called with what `make` gave once that is on disk, in the order of
        the changes and before the next commit. Not for a thread that holds `lock`.
        """
        assert self._making != threading.get_ident(), "a change within another"
        change = _Change(make, then)
        try:
            with self._arriving:
                if not self._led:
                    change.turn.set()  # before all else: whoever is interrupted from here on hands it over
                self._line.append(change)
                self._led = True
            change.turn.wait()
            if not change.done:
                self._lead()
        except BaseException:  # a signal, in the main thread
            self._leave(change)
            raise
        if isinstance(change.error, sqlite3.Error):
            raise ThroughlineError(f"library {self.path} can't be written: {change.error}") from change.error
        if change.error:
            raise change.error
        result: T = change.result
        return result

    def _leave(self, change: _Change) -> None:
        """Takes a change out of the line; if its thread was to commit the others, the next one is."""
        with self._arriving:
            if change not in self._line:
                return
            first = change is self._line[0]
            self._line.remove(change)
            if first and change.turn.is_set():
                self._led = bool(self._line)
                for after in self._line[:1]:
                    after.turn.set()

    def _lead(self) -> None:
        """Commits all that are in line; of those that came meanwhile, the first is to do the same."""
        changes: list[_Change] = []
        try:
            with self.lock:
                with self._arriving:
                    changes, self._line = self._line, []
                self._commit(changes)
        finally:
            with self._arriving:
                self._led = bool(self._line)
                for change in changes:
                    change.done = True
                for change in changes + self._line[:1]:
                    change.turn.set()

    def _commit(self, changes: list[_Change]) -> None:
        self._making = threading.get_ident()
        try:
            with _all_or_nothing(self._connection) as db:
                self._look()
                self._open = True
                for change in changes:
                    _make(change, db)
        except BaseException as error:
            known = error if isinstance(error, sqlite3.Error) else sqlite3.OperationalError("interrupted")
            for change in changes:
                change.error = change.error or known
            if known is not error:
                raise
        finally:
            self._making, self._open = None, False
        for change in changes:
            if change.error is None:
                change.then(change.result)

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What a query gives, changes included that are just being committed."""
        with self.lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise ThroughlineError(f"library {self.path} can't be read: {error}") from error

    def look(self) -> None:
        """Finds out whether another connection wrote something. Takes microseconds, and waits for no commit."""
        if not self._open:
            with self.lock:
                self._look()

    def _look(self) -> None:
        ((version,),) = self.rows("PRAGMA data_version")
        if version != self._version:
            self._version = version
            self._changed()

    def _opened(self) -> sqlite3.Connection:
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
        self.damage = f"was damaged ({problem}): it is kept as {aside.name}, {lost}"
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
        for setting in SETTINGS:
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


def _make(change: _Change, db: sqlite3.Connection) -> None:
    """All of a change or nothing, within the transaction of several."""
    db.execute("SAVEPOINT change")
    try:
        change.result = change.make(db)
    except Exception as error:
        if not db.in_transaction:  # a full disk may have ended it, and the others with it
            raise
        db.execute("ROLLBACK TO change")
        change.error = error
    db.execute("RELEASE change")


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
