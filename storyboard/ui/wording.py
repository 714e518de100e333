"""Numbers and times in words."""

from __future__ import annotations

import time


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """After "about"."""
    if seconds < 1.5:
        return "a second"
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def ago(created: float) -> str:
    """How long ago a time in seconds since 1970 was."""
    past = time.time() - created
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if past >= size:
            return f"{int(past // size)} {unit} ago"
    return "just now" if past < 45 else "1 min ago"


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
