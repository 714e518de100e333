"""The memory of a process that serves many people for days: what is free goes back to the system, and what is there
from the start is not looked through again and again."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
from itertools import count

ARENAS = 2  # of the C library, which makes eight for each processor: what one has free the others can't use
M_ARENA_MAX = -8  # of its `mallopt`
REST_SECONDS = 15.0  # between two looks
COLLECTED = 20  # looks: in one of so many, what holds on to itself is looked for among all there is
THRESHOLDS = 10_000, 20, 1_000  # of Python's collector: what is young is looked through often, all of it by us alone


def settle() -> None:
    """For a process that has started and serves from now on; starts a thread."""
    gc.collect()
    gc.freeze()  # each full collection stops all threads, in proportion to what it looks through: up to a second
    gc.set_threshold(*THRESHOLDS)
    library = _library()
    if library is not None:
        library.mallopt(M_ARENA_MAX, ARENAS)
    threading.Thread(target=_give_back_for_ever, name="memory", daemon=True).start()


def give_back() -> None:
    """Gives what is free within the heap back to the system, not only at its end, where the C library does it itself:
    bodies of requests, replies and exports come and go between what stays."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


def _give_back_for_ever() -> None:
    for look in count(1):
        time.sleep(REST_SECONDS)
        if look % COLLECTED == 0:
            gc.collect()
        give_back()


def _library() -> ctypes.CDLL | None:
    """The C library, if it is GNU's."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if library is not None and hasattr(library, "malloc_trim") else None
