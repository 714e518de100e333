"""What a pipeline does one at a time, when several jobs are made at once."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import TypeVar

from .job import Made

LOOK_SECONDS = 0.2  # from one look whether it is free to the next: who waits is cancelled that soon

Result = TypeVar("Result")


class Alone:
    """A lock for steps: whoever comes while others are at it waits, and yields meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, steps: Generator[Made, None, Result]) -> Generator[Made, None, Result]:
        """The steps and what they return, while nobody else's are made."""
        while not self._lock.acquire(timeout=LOOK_SECONDS):
            yield Made()
        try:
            return (yield from steps)
        finally:
            self._lock.release()
