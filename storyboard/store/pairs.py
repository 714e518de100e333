"""What the text filter decided about pairs of prompts, on disk: a restart asks about none again.

It is kept by digests of the filter, the threshold and the two prompts, so no other filter ever reads it. With it only
time is lost: what is damaged is not used, and a database that can't be read is begun anew. So its writes are not
synced, and come in the background.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

MOST_BYTES = 64 << 20  # on disk: about a million pairs; the prompts that were used last stay
PAIRS_AT_ONCE = 4000  # in one transaction
REST_SECONDS = 0.5  # before each
DAY_SECONDS = 24 * 3600
PATIENCE_SECONDS = 1.0  # for another process to end its transaction
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS prompts (prompt BLOB PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS pairs (prompt BLOB, past BLOB, found BLOB NOT NULL, PRIMARY KEY (prompt, past))"
    " WITHOUT ROWID",
)
SETTINGS = ("journal_mode = PERSIST", "synchronous = OFF")

Targets = tuple[tuple[int, int], ...]  # mentions of a past prompt that are kept, each with the one that it matches
Found = Mapping[str, Targets]  # by past prompt

_log = logging.getLogger(__name__)


class PairStore:
    """The database at `path`, opened when it is first needed. Safe for threads; several processes may use one."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path, self.most_bytes = path, most_bytes
        self._lock = threading.Lock()  # of the connection
        self._connection: sqlite3.Connection | None = None
        self._line: dict[bytes, dict[bytes, bytes]] = {}  # not written yet: by prompt and past prompt
        self._lining = threading.Lock()
        self._hurry = threading.Event()
        self._writer: threading.Thread | None = None

    def read(self, version: str, prompt: str, threshold: float | None, past_prompts: Sequence[str]) -> Found:
        """Of some past prompts: those that are known. version: digest of the filter."""
        key = _key(version, threshold, prompt)
        known = dict(self._rows("SELECT past, found FROM pairs WHERE prompt = ?", key))
        if not known:
            return {}
        with self._lining:
            self._line.setdefault(key, {})  # so that it counts as used
        found = ((past, _unpacked(key, digest, known.get(digest))) for past, digest in _digests(past_prompts))
        return {past: targets for past, targets in found if targets is not None}

    def add(self, version: str, prompt: str, threshold: float | None, found: Found) -> None:
        """Keeps what was decided; it is written soon after."""
        if not found:
            return
        key = _key(version, threshold, prompt)
        packed = {digest: _packed(key, digest, found[past]) for past, digest in _digests(list(found))}
        with self._lining:
            self._line.setdefault(key, {}).update(packed)
            if self._writer is None and not self._hurry.is_set():
                self._writer = threading.Thread(target=self._write, name="pairs", daemon=True)
                self._writer.start()

    def close(self) -> None:
        """Writes what is left, and nothing that comes later."""
        with self._lining:
            self._hurry.set()
            writer = self._writer
        if writer:
            writer.join()
        with self._lock:
            self._forget()

    # --- the database ------------------------------------------------------------------------------------------------

    def _rows(self, query: str, *values: bytes) -> list[tuple[bytes, bytes]]:
        """Nothing if it can't be read."""
        with self._lock:
            try:
                return self._opened().execute(query, values).fetchall()
            except sqlite3.Error as error:
                self._failed(error)
                return []

    def _write(self) -> None:
        while True:
            self._hurry.wait(REST_SECONDS)  # what comes meanwhile is written together
            some = self._next()
            if not some:
                return
            with self._lock:
                try:
                    self._keep(self._opened(), some)
                except sqlite3.Error as error:
                    self._failed(error)

    def _next(self) -> dict[bytes, dict[bytes, bytes]]:
        """Some of what is in line; at the end nothing, and who adds something then starts another writer."""
        some: dict[bytes, dict[bytes, bytes]] = {}
        with self._lining:
            pairs = 0
            while self._line and pairs < PAIRS_AT_ONCE:
                key, found = self._line.popitem()
                some[key], pairs = found, pairs + len(found)
            if not some:
                self._writer = None
        return some

    def _keep(self, db: sqlite3.Connection, some: dict[bytes, dict[bytes, bytes]]) -> None:
        today = int(time.time() / DAY_SECONDS)
        rows = [(key, past, found) for key, pairs in some.items() for past, found in pairs.items()]
        with db:
            db.executemany("INSERT OR REPLACE INTO prompts VALUES (?, ?)", [(key, today) for key in some])
            db.executemany("INSERT OR REPLACE INTO pairs VALUES (?, ?, ?)", rows)
            while _bytes_used(db) > self.most_bytes:
                _drop_oldest(db)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            made = sqlite3.connect(self.path, timeout=PATIENCE_SECONDS, check_same_thread=False)
            self._connection = made
            for statement in (*(f"PRAGMA {setting}" for setting in SETTINGS), *SCHEMA):
                made.execute(statement)
        return self._connection

    def _failed(self, error: sqlite3.Error) -> None:
        """A database that is damaged is begun anew; a full disk, or another process that writes, is waited out."""
        _log.warning(f"what was known about pairs of prompts can't be used: {error}")
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if damaged:
            self._forget()
            self.path.unlink(missing_ok=True)

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _bytes_used(db: sqlite3.Connection) -> int:
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _drop_oldest(db: sqlite3.Connection) -> None:
    """A tenth of the prompts."""
    oldest = "SELECT prompt FROM prompts ORDER BY used LIMIT (SELECT count(*) / 10 + 1 FROM prompts)"
    gone = db.execute(oldest).fetchall()
    for table in ("pairs", "prompts"):
        db.executemany(f"DELETE FROM {table} WHERE prompt = ?", gone)


# Keys and values


def _key(version: str, threshold: float | None, prompt: str) -> bytes:
    return blake2b(f"{version} {threshold} {prompt}".encode(errors="surrogatepass"), digest_size=16).digest()


@lru_cache(maxsize=4096)
def _digest(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def _digests(texts: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    return zip(texts, map(_digest, texts), strict=True)


def _packed(key: bytes, past: bytes, targets: Targets) -> bytes:
    value = array("H", [number for pair in targets for number in pair]).tobytes()
    return zlib.crc32(key + past + value).to_bytes(4, "little") + value


def _unpacked(key: bytes, past: bytes, found: bytes | None) -> Targets | None:
    """None for nothing, and for what the disk has spoiled."""
    if found is None or zlib.crc32(key + past + found[4:]).to_bytes(4, "little") != found[:4]:
        return None
    numbers = array("H")
    numbers.frombytes(found[4:])
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))
