"""A lock for each story, there as long as someone holds it or waits for it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class StoryLocks:
    def __init__(self) -> None:
        self._lock = threading.Lock()  # of what follows
        self._locks: dict[str, threading.Lock] = {}
        self._users: Counter[str] = Counter()

    @contextmanager
    def of(self, story: str) -> Iterator[None]:
        with self._lock:
            own = self._locks.setdefault(story, threading.Lock())
            self._users[story] += 1
        try:
            with own:
                yield
        finally:
            with self._lock:
                self._users[story] -= 1
                if not self._users[story]:
                    del self._locks[story], self._users[story]
