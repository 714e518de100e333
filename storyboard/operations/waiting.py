"""Waiting for news in a thread of one's own. Imports next to nothing, which a shell's --help need not wait for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from .arguments import Json


def waiting(parts: Iterator[Json], pause: float = 0.1) -> Iterator[Json]:
    """All but the {} among the parts: there it holds its thread for `pause` seconds."""
    wait = threading.Event()
    for part in parts:
        if part:
            yield part
        else:
            wait.wait(pause)
