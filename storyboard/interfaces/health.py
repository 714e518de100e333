"""How a studio is doing, for whoever looks after the machine: numbers, nothing of anybody's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pipeline.errors import ThroughlineError

from ..store.room import SPARE_DISK_BYTES
from ..studio import Studio

FULL_BYTES = SPARE_DISK_BYTES // 4


def health(studio: Studio) -> dict[str, Any]:
    """ "ok" is False if something is wrong, which "problem" tells in words: a full disk and a missing home are for
    whoever looks after the machine; a library that can't be read and renders that are stuck, for a restart."""
    line = studio.renderer.queue.state()
    free = _free(studio.folder)
    readable = free is not None and _readable(studio)
    problem = _problem(free, readable, bool(line["working"]))
    found = {"ok": not problem, "problem": problem, "library": readable, "home": free is not None}
    return {**found, "free_megabytes": (free or 0) >> 20, "ready": studio.renderer.ready, **line}


def _free(folder: Path) -> int | None:
    """Bytes left for a folder; None if it is not there."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _readable(studio: Studio) -> bool:
    try:
        studio.library.job_store.jobs()
    except ThroughlineError:
        return False
    return True


def _problem(free: int | None, readable: bool, working: bool) -> str:
    """In words; empty for none. Names no folder."""
    if free is None:
        return "the folder of the stories is missing: mount it again"
    if free <= FULL_BYTES:
        return f"the disk is full: {free >> 20} MB left, expected at least {FULL_BYTES >> 20}"
    if not readable:
        return "the library can't be read: restart the app"
    return "" if working else "renders are stuck: restart the app"
