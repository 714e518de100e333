"""What a host does: a Space lends a GPU for the length of one call (ZeroGPU); every host says when to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

SHORTEST_SECONDS, LONGEST_SECONDS = 20, 300  # of one call: a scene

STOPPING_SECONDS = 4.5  # hosts kill what takes longer than five
LONGEST_SLEEP = 0.5  # seconds, of a main thread that waits for a signal


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does, by KeyboardInterrupt; the process is gone a few seconds later, even
    if something that it waits for, such as a step on a busy device, does not end. For the main thread."""

    def stop(*_: Any) -> None:
        deadline = threading.Timer(STOPPING_SECONDS, os._exit, [0])
        deadline.daemon = True
        deadline.start()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_for_signal() -> None:
    """Waits in the main thread until a signal's handler raises. In short sleeps: a signal that comes between Python's
    look for signals and the call that blocks does not end that call, and its handler would never run."""
    while True:
        time.sleep(LONGEST_SLEEP)


def on_gpu(function: Function, seconds: Callable[..., float]) -> Function:
    """The function itself; on a ZeroGPU Space, one that gets a GPU for each call.

    seconds: how long a call may take, worked out from its arguments. There the call runs in a forked process: arguments
    and results are pickled, and what it changes in memory is lost. Cancelling is closing the generator.
    """
    if not os.environ.get("SPACES_ZERO_GPU"):
        return function
    import spaces  # type: ignore[import-not-found]  # only a Space has it

    def duration(*arguments: Any, **options: Any) -> int:
        return int(min(max(seconds(*arguments, **options), SHORTEST_SECONDS), LONGEST_SECONDS))

    return spaces.GPU(duration=duration)(function)  # type: ignore[no-any-return]


def gpu_seconds(
    past: Sequence[Any], guidance: Any, decision: Any, known: Any, settings: dict[str, Any], taught: Sequence[Any]
) -> float:
    """A generous estimate for a large model on one card: 1.5 s a step at 480 x 720 and 49 frames."""
    work = settings["num_frames"] * settings["height"] * settings["width"] / (49 * 480 * 720)
    return float(10 + 1.5 * settings["steps"] * work)


def gpu_seconds_of_edit(
    frames: Any, prompt: str, edit: Any, past: Sequence[Any], taught: Sequence[Any], noise: Any
) -> float:
    """As `gpu_seconds`, for 50 steps."""
    return float(10 + 1.5 * 50 * frames.size / (49 * 480 * 720 * 3))
