"""Looks whether a disk has room before something large is begun.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.errors import ThroughlineError

SPARE_DISK_BYTES = 256 << 20
SPARE_TEMPORARY_BYTES = 16 << 20  # of the folder for temporary files, which may be in memory


def check_disk(folder: Path, needed: int = 0, spare: int = SPARE_DISK_BYTES) -> None:
    """Raises ThroughlineError if the disk has less than `needed` bytes and some to spare: what is there stays safe, and
    nothing large is begun."""
    free = shutil.disk_usage(folder).free
    if free < needed + spare:
        megabytes = f"{free >> 20} MB left, expected at least {(needed + spare) >> 20}"
        raise ThroughlineError(f"the disk of {folder} is nearly full: {megabytes}")
