"""Temporary folders, which go with the process that made them: at its end, or at the next start if it was killed.

Each holds a lock file as long as it is in use. Does not cover: folders that a killed command left beside the film that
it wrote, and what lies in the folder for temporary files without such a lock.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX, HELD = "throughline-", ".held"
NEW_SECONDS = 10.0  # a folder so young may be without its lock yet


@contextmanager
def temporary_folder() -> Iterator[Path]:
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name,
        FileLock(Path(name, HELD), thread_local=False),
    ):
        yield Path(name)


def clear_temporary(new_seconds: float = NEW_SECONDS) -> int:
    """Deletes the folders of this user's processes that are gone; gives how many. Those that live keep theirs."""
    found = [folder for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _may_go(folder, new_seconds)]
    return sum(map(_delete, found))


def _may_go(folder: Path, new_seconds: float) -> bool:
    try:
        status = (folder / HELD).lstat()
    except OSError:  # not such a folder, gone meanwhile, or somebody else's
        return False
    mine = not hasattr(os, "getuid") or status.st_uid == folder.lstat().st_uid == os.getuid()
    return mine and not folder.is_symlink() and status.st_mtime < time.time() - new_seconds


def _delete(folder: Path) -> bool:
    """Unless it is in use."""
    lock = FileLock(folder / HELD, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return False
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()
    return not folder.exists()
