"""Content-addressed files: clips, previews, keyframes, traces, encodings, each named by the SHA-256 of what it holds.

A file is there whole or not at all: it is written under a temporary name, synced and renamed, and its folder is synced.
Nothing changes a file afterwards. Only `collect` deletes.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from pipeline.errors import ThroughlineError

SUFFIXES = frozenset(
    ["mp4", "png", "webp", "json", "npz", "gif", "pdf", "zip", "m4a", "srt", "vtt", "csv", "html", "safetensors"]
)
CHUNK_BYTES = 1 << 20
DAMAGED = "damaged"  # the folder of what is not what its name says
PARTS, PART_SECONDS = "parts", 3600.0  # the folder of what is being written: whoever lives adds to it all the time
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """Files under one folder: `folder/ab/cdef….png`. Safe for threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()  # so that collect deletes nothing that was just put again
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ThroughlineError(f"folder {folder} can't be made: {error.strerror}") from error

    def put(self, data: bytes, suffix: str) -> str:
        """Keeps some bytes and returns their digest. Raises ThroughlineError for an unknown suffix or a full disk."""
        return self._keep(iter([data]), suffix)

    def put_file(self, path: Path) -> str:
        """Keeps a copy of a file and returns its digest. Raises ThroughlineError as `put` does, and for no file."""
        try:
            with path.open("rb") as file:
                return self._keep(_chunks(file), path.suffix.removeprefix("."))
        except OSError as error:
            raise ThroughlineError(f"file {path} can't be read: {error.strerror}") from error

    def path(self, digest: str, suffix: str) -> Path:
        """Where a file lies. Raises ThroughlineError if it is not there."""
        path = self._place(digest, suffix)
        if not path.is_file():
            raise ThroughlineError(f"file {digest[:12]}….{suffix} is missing from {self.folder}")
        return path

    def bytes_of(self, files: Iterable[tuple[str, str]]) -> int:
        """How long these files, digests and suffixes, are together; those that are missing don't count."""
        paths = (self._place(digest, suffix) for digest, suffix in files)
        return sum(path.stat().st_size for path in paths if path.is_file())

    def read(self, digest: str, suffix: str) -> bytes | None:
        """What a file holds; None if it is not there or is not what its name says."""
        try:
            data = self._place(digest, suffix).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def has(self, digest: str, suffix: str) -> bool:
        """Whether a file is there, at a glance: `holds` also reads it."""
        return self._place(digest, suffix).is_file()

    def holds(self, *files: tuple[str, str]) -> bool:
        """Whether all of these, digests and suffixes, are there and are what their names say."""
        return all(self.read(digest, suffix) is not None for digest, suffix in files)

    def check(self, rest: Callable[[float], object] = lambda seconds: None) -> list[str]:
        """Sets files aside that can't be read or are not what their names say, in a folder `damaged`, and gives their
        names. Others may put files meanwhile. Reads everything, for a thread of its own; rest: called after every file
        with the seconds that it took."""
        found = []
        for path in sorted(self.folder.glob("??/*")):
            began = time.monotonic()
            if not _is_sound(path):
                with self._lock:  # unless it was put again just now
                    if not _is_sound(path):
                        found.append(self._set_aside(path))
            rest(time.monotonic() - began)
        return found

    def _set_aside(self, path: Path) -> str:
        name, aside = path.parent.name + path.name, self.folder / DAMAGED
        _make_folder(aside)
        path.replace(aside / name)
        return name

    def collect(self, keep: Collection[str], older_than_seconds: float) -> int:
        """Deletes what has none of the digests `keep` and was last put longer ago than that; returns how many bytes.
        The age protects what was put but is not referred to yet: give more than the longest render takes."""
        kept, until, freed = frozenset(keep), time.time() - older_than_seconds, 0
        for path in sorted(self.folder.glob("*/*")):
            if path.parent.name == DAMAGED or path.parent.name + path.stem in kept:
                continue
            with self._lock:
                status = path.stat() if path.is_file() else None
                if status and status.st_mtime < until:
                    path.unlink()
                    freed += status.st_size
        return freed

    def clear_parts(self, older_than_seconds: float = PART_SECONDS) -> int:
        """Deletes what a killed process was writing, which nobody has added to for so long; returns how many files."""
        old = [path for path in (self.folder / PARTS).glob("*.part") if _age(path) > older_than_seconds]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _place(self, digest: str, suffix: str) -> Path:
        if suffix not in SUFFIXES:
            raise ThroughlineError(f"suffix is {suffix!r}: expected one of {', '.join(sorted(SUFFIXES))}")
        if not _DIGEST.fullmatch(digest):
            raise ThroughlineError(f"digest is {digest[:80]!r}: expected 64 hexadecimal digits")
        return self.folder / digest[:2] / f"{digest[2:]}.{suffix}"

    def _keep(self, chunks: Iterator[bytes], suffix: str) -> str:
        self._place("0" * 64, suffix)  # refuse before writing
        part = self.folder / PARTS / f"{secrets.token_hex(8)}.part"
        try:
            _make_folder(part.parent)
            digest = _write(part, chunks)
            self._publish(part, self._place(digest, suffix))
        except OSError as error:
            raise ThroughlineError(f"folder {self.folder} can't be written: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)
        return digest

    def _publish(self, part: Path, place: Path) -> None:
        _make_folder(place.parent)
        with self._lock:
            if place.is_file() and filecmp.cmp(part, place, shallow=False):
                os.utime(place)  # young again: something is about to refer to it
                return
            part.replace(place)
        _sync_folder(place.parent)


def media_url(digest: str, suffix: str, name: str = "") -> str:
    """Where a file is served; with a name, for saving it."""
    return f"media/{digest}.{suffix}" + (f"?name={quote(name)}" if name else "")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _write(path: Path, chunks: Iterator[bytes]) -> str:
    """Writes and syncs; returns the SHA-256."""
    hashed = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in chunks:
            hashed.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return hashed.hexdigest()


def _age(path: Path) -> float:
    """Seconds since anything was written; 0 if it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _is_sound(path: Path) -> bool:
    """Whether a file is what its name says, or is gone."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == path.parent.name + path.stem
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Without this a power cut may take back a rename. Windows has no such call."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
