"""Values in memory, those used last, bounded by about how many bytes they take.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

# What pydantic's values take besides their characters, by tracemalloc in Python 3.11: a pinned word of 46 characters of
# JSON 590 bytes, a scene of 340 3.0 kB, a take of 840 5.8 kB. The estimates are 990 bytes, 5.0 and 6.7 kB: never less.
OBJECT_BYTES, FIELD_BYTES = 700, 120
ENTRY_BYTES = 2000  # of what is kept around a value


def bytes_in_memory(text: str) -> int:
    """About how much a value takes that was read from this JSON, or written to it; seldom twice too much."""
    characters = len(text) * (1 if text.isascii() else 4)
    return characters + OBJECT_BYTES * text.count("{") + FIELD_BYTES * text.count(",")


class Memory(Generic[K, V]):
    """Safe for threads."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.bytes = most_bytes, 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()  # the last used at the end
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def keep(self, key: K, value: V, size: int) -> None:
        """Others go for it, those first that were not used for longest; it stays, however large it is."""
        with self._lock:
            self._drop(key)
            self._entries[key] = (value, size + ENTRY_BYTES)
            self.bytes += size + ENTRY_BYTES
            while self.bytes > self.most_bytes and len(self._entries) > 1:
                self._drop(next(iter(self._entries)))

    def drop(self, key: K, value: V | None = None) -> None:
        """value: only if it is still this one."""
        with self._lock:
            if value is None or self._entries.get(key, (None, 0))[0] is value:
                self._drop(key)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self.bytes = 0

    def _drop(self, key: K) -> None:
        _, size = self._entries.pop(key, (None, 0))
        self.bytes -= size
