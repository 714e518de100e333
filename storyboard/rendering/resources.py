"""Looks whether the machine has memory before something large is begun. Its disk: `storyboard.store.room`."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import psutil

from pipeline.errors import ThroughlineError

from ..store.room import check_disk

MEMORY_OF_A_PIXEL = 400  # bytes that a render takes at most, for each of its frames
SPARE_MEMORY_BYTES = 256 << 20
GROUP = Path("/sys/fs/cgroup")  # the limits of a container


def check_room(folder: Path, device: str, pixels: int) -> None:
    """Raises ThroughlineError if there is no disk or no memory for a clip of so many pixels, of all frames."""
    check_disk(folder)
    check_memory(device, pixels * MEMORY_OF_A_PIXEL)


def check_memory(device: str, needed: int, spare: int = SPARE_MEMORY_BYTES) -> None:
    """Raises ThroughlineError if a device ("cpu", "cuda:0") has no `needed` bytes to spare."""
    free = free_memory(device)
    if needed + spare > free:
        found = f"about {needed >> 20} MB of memory are needed, {max(0, free - spare) >> 20} MB are free"
        raise ThroughlineError(f"there is not enough memory to render this scene: {found}; try fewer frames")


def free_memory(device: str) -> int:
    """Bytes."""
    torch: Any = sys.modules.get("torch")
    if device.startswith("cuda") and torch is not None:
        return int(torch.cuda.mem_get_info(device)[0]) + int(torch.cuda.memory_reserved(device))
    return min(int(psutil.virtual_memory().available), _left_to_container())


def _left_to_container() -> int:
    """What the control group of this process may still take; a great deal where there is none."""
    try:
        most, used = ((GROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        cache = next(line for line in (GROUP / "memory.stat").read_text().splitlines() if line.startswith("file "))
        return int(most) - int(used) + int(cache.split()[1])
    except (OSError, ValueError, StopIteration):
        return sys.maxsize


def give_back_memory() -> None:
    """Gives back what a render that did not end held, on the device too."""
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
