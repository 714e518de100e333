"""What lies in the tables of the library: the schema, and rows to values and back.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import re
import sqlite3
import time
import zlib
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pipeline.errors import ThroughlineError

from ..document.story import Board, Story, Take
from .database import Migrations
from .memory import bytes_in_memory

MIGRATIONS: Migrations = (
    (
        "CREATE TABLE stories (id TEXT PRIMARY KEY, owner TEXT NOT NULL, rev INTEGER NOT NULL,"
        " present INTEGER NOT NULL, title TEXT NOT NULL,"
        " scenes INTEGER NOT NULL, poster TEXT, updated REAL NOT NULL, deleted REAL)",
        "CREATE INDEX stories_of_owner ON stories (owner, updated)",
        "CREATE TABLE revisions (story TEXT NOT NULL REFERENCES stories, number INTEGER NOT NULL, label TEXT NOT NULL,"
        ' "group" TEXT NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (story, number))',
        "CREATE TABLE takes (number INTEGER PRIMARY KEY AUTOINCREMENT, story TEXT NOT NULL REFERENCES stories,"
        " id TEXT NOT NULL, doc TEXT NOT NULL, UNIQUE (story, id))",
        "CREATE TABLE jobs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
        " story TEXT NOT NULL REFERENCES stories, scene TEXT NOT NULL, content TEXT NOT NULL)",
        "CREATE TABLE timings (number INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, device TEXT NOT NULL,"
        " remembers INTEGER NOT NULL, work REAL NOT NULL, seconds REAL NOT NULL)",
        "CREATE INDEX timings_of_model ON timings (model, device, remembers)",
    ),
    (
        "CREATE TABLE encodings (model TEXT NOT NULL, prompt TEXT NOT NULL, keyframe TEXT NOT NULL,"
        " digest TEXT NOT NULL, PRIMARY KEY (model, prompt, keyframe))",
    ),
    (
        "ALTER TABLE jobs ADD COLUMN holder TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE jobs ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0",
        "CREATE TABLE damaged (story TEXT NOT NULL, number INTEGER NOT NULL, doc BLOB, found REAL NOT NULL)",
    ),
    (
        "CREATE TABLE finished (draft TEXT NOT NULL, finisher TEXT NOT NULL, prompt TEXT NOT NULL, rate REAL NOT NULL,"
        " clip TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, num_frames INTEGER NOT NULL,"
        " PRIMARY KEY (draft, finisher, prompt, rate))",
    ),
)
_DIGEST = re.compile(r'"([0-9a-f]{64})"')


@dataclass(frozen=True)
class StoryEntry:
    """A story in a list of stories."""

    id: str
    title: str
    scenes: int  # how many
    updated: float  # seconds since 1970
    poster: str | None  # digest of a keyframe


@dataclass(frozen=True)
class Head:
    """A story as it is now."""

    board: Board
    rev: int  # grows with every change of any kind: edit, undo, redo, a take that was added
    can_undo: bool
    can_redo: bool
    undo_label: str  # of what undo would take back
    redo_label: str  # of what redo would bring back


@dataclass(frozen=True)
class SavedJob:
    """A render that was asked for and has not ended."""

    id: str
    owner: str
    story: str
    scene: str
    content: dict[str, Any]  # what the queue needs to start it again
    attempts: int = 0  # how often it was begun


@dataclass(frozen=True)
class Revision:
    number: int  # from 0; undo goes to the one before
    label: str
    group: str  # edits of the same group are merged; '' closes the revision to them
    story: Story


def summary(board: Board) -> tuple[str, int, str | None, float]:
    """What a list of stories says of one: title, how many scenes, poster, updated."""
    scenes = board.story.scenes
    poster = next((keyframe for keyframe in map(board.keyframe, scenes) if keyframe), None)
    return board.story.title, len(scenes), poster, time.time()


def read_head(db: sqlite3.Connection, board: Board, rev: int, present: Revision) -> Head:
    query = "SELECT label FROM revisions WHERE story = ? AND number = ?"
    after = db.execute(query, (board.story.id, present.number + 1)).fetchone()
    return Head(board, rev, present.number > 0, after is not None, present.label, after[0] if after else "")


def read_shelf(db: sqlite3.Connection, story_id: str) -> tuple[dict[str, Take], int]:
    """The takes of a story by id, and about how many bytes of memory they take."""
    takes, size = {}, 0
    for (doc,) in db.execute("SELECT doc FROM takes WHERE story = ? ORDER BY number", (story_id,)):
        take = Take.model_validate_json(doc)
        takes[take.id] = take
        size += bytes_in_memory(doc)
    return takes, size


def write_revision(db: sqlite3.Connection, revision: Revision) -> int:
    """Gives about how many bytes of memory its story takes."""
    story, text = revision.story, revision.story.model_dump_json()
    row = (story.id, revision.number, revision.label, revision.group, zlib.compress(text.encode()))
    db.execute("INSERT OR REPLACE INTO revisions VALUES (?, ?, ?, ?, ?)", row)
    return bytes_in_memory(text)


def write_take(db: sqlite3.Connection, story_id: str, take: Take) -> int:
    """Gives about how many bytes of memory it takes."""
    text = take.model_dump_json()
    db.execute("INSERT INTO takes (story, id, doc) VALUES (?, ?, ?)", (story_id, take.id, text))
    return bytes_in_memory(text)


def unpack(doc: bytes) -> str:
    """Raises ThroughlineError for what the disk has spoiled."""
    try:
        return zlib.decompress(doc).decode()
    except zlib.error as error:
        raise ThroughlineError(f"a revision of {len(doc)} bytes is damaged: {error}") from error


def parse_revision(doc: bytes) -> Story:
    return Story.model_validate_json(unpack(doc))


def is_whole(doc: bytes) -> bool:
    """Whether `parse_revision` can read it."""
    try:
        return bool(parse_revision(doc))
    except (ThroughlineError, ValidationError, UnicodeDecodeError, TypeError):
        return False


def digests_in(doc: str) -> set[str]:
    """Every SHA-256 that a document names."""
    return set(_DIGEST.findall(doc))
