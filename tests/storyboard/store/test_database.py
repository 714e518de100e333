"""Changes of several threads: one commit for all that wait, and each of them all or nothing."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ThroughlineError
from storyboard.store import database as database_module
from storyboard.store.database import Database

TABLE = (("CREATE TABLE words (word TEXT PRIMARY KEY)",),)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "words.sqlite3", TABLE)
    yield database
    database.close()


def put(db: sqlite3.Connection, word: str) -> str:
    db.execute("INSERT INTO words VALUES (?)", (word,))
    return word


def written_together(database: Database, words: list[str]) -> list[tuple[str, str]]:
    """Writes each in a thread of its own while a commit is made that waits for all; what each was told, in order."""
    told: list[tuple[str, str]] = []

    def write(word: str) -> None:
        try:
            told.append((word, database.write(lambda db: put(db, word))))
        except ThroughlineError as error:
            told.append((word, str(error)))

    threads = [threading.Thread(target=write, args=(word,)) for word in words]

    def hold(db: sqlite3.Connection) -> None:
        for thread in threads:
            thread.start()
        while len(database._line) < len(threads):
            pass

    database.write(hold)
    for thread in threads:
        thread.join()
    return told


def test_those_that_wait_share_a_commit(database: Database) -> None:
    statements: list[str] = []
    database._connection.set_trace_callback(statements.append)
    words = [f"word{number}" for number in range(8)]
    assert sorted(written_together(database, words)) == [(word, word) for word in words]
    database._connection.set_trace_callback(None)
    assert statements.count("COMMIT") == 2  # the one that held them up, and theirs
    assert {word for (word,) in database.rows("SELECT word FROM words")} == set(words)


def test_one_that_fails_is_undone_alone(database: Database) -> None:
    told = written_together(database, ["a", "b", "b", "c"])
    refused = [answer for word, answer in told if word != answer]
    assert len(refused) == 1 and "UNIQUE" in refused[0] and str(database.path) in refused[0]
    assert database.rows("SELECT word FROM words ORDER BY 1") == [("a",), ("b",), ("c",)]


def test_half_a_change_is_none(database: Database) -> None:
    def half(db: sqlite3.Connection) -> None:
        put(db, "a")
        raise ThroughlineError("no more")

    with pytest.raises(ThroughlineError, match="no more"):
        database.write(half)
    assert database.write(lambda db: put(db, "b")) == "b"
    assert database.rows("SELECT word FROM words") == [("b",)]


def test_what_follows_a_change_follows_its_commit(database: Database) -> None:
    seen: list[str] = []
    with pytest.raises(ThroughlineError):
        database.write(lambda db: put(db, put(db, "a")), seen.append)
    database.write(lambda db: put(db, "a"), lambda word: seen.append(f"{word}, {database._connection.in_transaction}"))
    assert seen == ["a, False"]


def test_a_leader_that_is_interrupted_leaves_nobody_waiting(database: Database) -> None:
    def interrupted(db: sqlite3.Connection) -> None:
        put(db, "a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.write(interrupted)
    assert database.rows("SELECT word FROM words") == [] and not database._led
    assert database.write(lambda db: put(db, "b")) == "b"


def test_a_change_within_another_is_a_mistake(database: Database) -> None:
    with pytest.raises(AssertionError, match="within another"):
        database.write(lambda db: database.write(lambda db: put(db, "a")))
    assert database.rows("SELECT word FROM words") == []


def test_who_is_interrupted_while_waiting_holds_nobody_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    leading, gone = threading.Event(), threading.Event()

    def hold(db: sqlite3.Connection) -> None:
        leading.set()
        gone.wait(20)

    leader = threading.Thread(target=database.write, args=(hold,))
    leader.start()
    assert leading.wait(20)

    def interrupt(self: threading.Event, timeout: float | None = None) -> bool:
        gone.set()
        leader.join()  # this one is told to commit the others, and is interrupted at that moment
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        change = type(threading.Event())
        patch.setattr("storyboard.store.database.threading.Event", type("Event", (change,), {"wait": interrupt}))
        database.write(lambda db: put(db, "a"))
    after = threading.Thread(target=database.write, args=(lambda db: put(db, "b"),), daemon=True)
    after.start()
    after.join(20)
    assert database.rows("SELECT word FROM words") == [("b",)]


def test_an_interrupt_before_its_turn_leaves_no_other_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal may come in any line: here, when the main thread was just about to commit for all."""

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    class Change(database_module._Change):  # type: ignore[misc]
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.turn = Interrupted()

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(database_module, "_Change", Change)
        database.write(lambda db: None)
    other = threading.Thread(target=database.write, args=(lambda db: None,), daemon=True)
    other.start()
    other.join(30)
    assert not other.is_alive()
