"""How a studio is doing, for whoever looks after the machine: numbers, nothing of anybody's."""

from __future__ import annotations

import shutil
from typing import Any

from pipeline.errors import ThroughlineError

from ..rendering.resources import SPARE_DISK_BYTES
from ..studio import Studio


def health(studio: Studio) -> dict[str, Any]:
    """ "ok" is False if the library can't be read, the disk is full, or too many renders are stuck: restart it."""
    line = studio.renderer.queue.state()
    free = shutil.disk_usage(studio.folder).free
    try:
        studio.library.job_store.jobs()
        readable = True
    except ThroughlineError:
        readable = False
    ok = bool(readable and line["working"] and free > SPARE_DISK_BYTES // 4)
    return {"ok": ok, "library": readable, "free_megabytes": free >> 20, "ready": studio.renderer.ready, **line}
