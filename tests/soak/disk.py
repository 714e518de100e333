"""A disk that fails: every write, sync and rename of SQLite and of the media files can be watched, refused or torn.

SQLite is given a file system layer of its own (https://sqlite.org/vfs.html) that passes everything on to the usual one.
"""

import _sqlite3
import ctypes as c
import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

OK, FULL, IOERR = 0, 13, 10
CODES = {"write": IOERR | 3 << 8, "sync": IOERR | 4 << 8, "truncate": IOERR | 6 << 8, "delete": IOERR | 10 << 8}
SYMBOLS = c.CDLL(_sqlite3.__file__)  # of the SQLite that Python's own module uses


class Watcher(Protocol):
    """Is asked before everything that changes the disk. Gives how it fails: "", "full", "error", "torn" (half of it is
    done first) or "late" (all of it is). Nothing is really synced: it takes long, and says nothing without a power cut.
    """

    def __call__(self, what: str, path: str, data: bytes = b"", offset: int = 0) -> str: ...


# The functions of an open file and of a file system, in SQLite's order.
METHODS = """
xClose xRead xWrite xTruncate xSync xFileSize xLock xUnlock xCheckReservedLock xFileControl xSectorSize
xDeviceCharacteristics xShmMap xShmLock xShmBarrier xShmUnmap xFetch xUnfetch
"""
CALLS = """
xOpen xDelete xAccess xFullPathname xDlOpen xDlError xDlSym xDlClose xRandomness xSleep xCurrentTime xGetLastError
xCurrentTimeInt64 xSetSystemCall xGetSystemCall xNextSystemCall
"""


class Methods(c.Structure):
    """sqlite3_io_methods"""

    _fields_ = [("iVersion", c.c_int)] + [(name, c.c_void_p) for name in METHODS.split()]


class Vfs(c.Structure):
    """sqlite3_vfs"""

    _fields_ = [
        ("iVersion", c.c_int),
        ("szOsFile", c.c_int),
        ("mxPathname", c.c_int),
        ("pNext", c.c_void_p),
        ("zName", c.c_char_p),
        ("pAppData", c.c_void_p),
    ] + [(name, c.c_void_p) for name in CALLS.split()]


OPEN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_void_p, c.c_int, c.c_void_p)  # the layer below keeps the name
DELETE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_char_p, c.c_int)
WRITE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_int, c.c_int64)
TRUNCATE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int64)
SYNC = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int)


class Layer:
    """The layer under SQLite."""

    def __init__(self, watch: Watcher) -> None:
        SYMBOLS.sqlite3_vfs_find.restype = c.c_void_p
        self._watch, self._names = watch, dict[int, str]()
        self._below_at = SYMBOLS.sqlite3_vfs_find(None)
        below = self._below = Vfs.from_address(self._below_at)
        self._vfs = Vfs.from_buffer_copy(below)
        self._keep: list[Any] = [OPEN(self._open), DELETE(self._delete)]
        self._vfs.zName, self._vfs.pNext = b"failing", None
        self._vfs.xOpen, self._vfs.xDelete = (c.cast(made, c.c_void_p).value for made in self._keep)
        self._methods: dict[int, Methods] = {}

    def __enter__(self) -> None:
        assert SYMBOLS.sqlite3_vfs_register(c.byref(self._vfs), 1) == OK

    def __exit__(self, *_: Any) -> None:
        SYMBOLS.sqlite3_vfs_unregister(c.byref(self._vfs))

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        code = OPEN(self._below.xOpen)(self._below_at, name, file, flags, out)
        place = c.c_void_p.from_address(file)
        if code == OK and place.value:
            self._names[file] = c.string_at(name).decode() if name else ""
            place.value = c.addressof(self._watched(place.value))
        return int(code)

    def _watched(self, at: int) -> Methods:
        """The methods of a file, with ours in between."""
        if at not in self._methods:
            below = Methods.from_address(at)
            ours = Methods.from_buffer_copy(below)
            write, truncate = WRITE(below.xWrite), TRUNCATE(below.xTruncate)

            def on_write(file: int, data: int, size: int, offset: int) -> int:
                content = c.string_at(data, size)
                how = self._watch("write", self._names[file], content, offset)
                done = {"": size, "late": size, "torn": size // 2}.get(how, 0)
                code = write(file, data, done, offset) if done else OK
                return _code(how, "write") or int(code)

            def on_truncate(file: int, size: int) -> int:
                how = self._watch("truncate", self._names[file], b"", size)
                code = truncate(file, size) if how in ("", "late") else OK
                return _code(how, "truncate") or int(code)

            def on_sync(file: int, flags: int) -> int:
                return _code(self._watch("sync", self._names[file]), "sync")

            made = [WRITE(on_write), TRUNCATE(on_truncate), SYNC(on_sync)]
            self._keep += made
            ours.xWrite, ours.xTruncate, ours.xSync = (c.cast(one, c.c_void_p).value for one in made)
            self._methods[at] = ours
        return self._methods[at]

    def _delete(self, vfs: int, name: bytes, sync: int) -> int:
        how = self._watch("delete", name.decode())
        code = DELETE(self._below.xDelete)(self._below_at, name, sync) if how in ("", "late") else OK
        return _code(how, "delete") or int(code)


def _code(how: str, what: str) -> int:
    return 0 if not how else FULL if how == "full" and what == "write" else CODES[what]


class _File:
    """A file of Python's, whose writes are watched."""

    def __init__(self, file: Any, path: str, watch: Watcher) -> None:
        self._file, self._path, self._watch = file, path, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        how = self._watch("write", self._path, bytes(data), self._file.tell())
        self._file.write(data[: len(data) // 2] if how == "torn" else b"" if how in ("full", "error") else data)
        _raise(how, self._path)
        return len(data)


def _raise(how: str, path: str) -> None:
    if how:
        number = errno.ENOSPC if how == "full" else errno.EIO
        raise OSError(number, os.strerror(number), path)


@contextmanager
def watched(watch: Watcher) -> Iterator[None]:
    """What SQLite and the media do on the disk goes through `watch`."""
    plain_open, plain_replace = Path.open, Path.replace

    def opened(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        file = plain_open(path, mode, *rest, **more)
        return file if "r" in mode or isinstance(file, io.TextIOBase) else _File(file, str(path), watch)

    def synced(handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")
        _raise(watch("sync", path), path)

    def replaced(path: Path, target: Path) -> Path:
        how = watch("rename", str(target), str(path).encode())
        if how in ("", "late"):
            plain_replace(path, target)
        _raise(how, str(target))
        return target

    patches = (("open", opened), ("replace", replaced))
    with Layer(watch), mock.patch.object(os, "fsync", synced):
        for name, patch in patches:
            setattr(Path, name, patch)
        try:
            yield
        finally:
            with suppress(AttributeError):
                Path.open, Path.replace = plain_open, plain_replace  # type: ignore[method-assign, assignment]
