"""What a Space lends: a GPU for the length of one call (ZeroGPU), where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

SHORTEST_SECONDS, LONGEST_SECONDS = 20, 300  # of one call: a scene


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
