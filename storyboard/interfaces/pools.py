"""Threads for every kind of work, so that none waits for another kind. Whoever waits for news holds none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

import anyio.to_thread
from anyio import CapacityLimiter

Given = TypeVarTuple("Given")
R = TypeVar("R")

AT_ONCE = {
    "uploads": 2,
    "exports": 2,
    "plans": 4,  # the filter, over all prompts of a story
    "meters": 2,
    "slow": 4,  # what else takes seconds
    "quick": 32,  # edits share a commit
    "news": 4,  # looks of those who follow a render
    "health": 2,
}
KINDS = {
    "import_clip": "uploads",
    "import_story": "uploads",
    "export_story": "exports",
    "film": "exports",
    "plan": "plans",
    "render": "plans",
    "remembers": "plans",
    "what_if": "plans",
    "sheet": "plans",
    "meter": "meters",
    "cast_meter": "meters",
    "find": "meters",
}


def kind_of(verb: str, slow: bool) -> str:
    """The pool for a verb of the page or of programs."""
    return KINDS.get(verb, "slow" if slow else "quick")


class Pools:
    """The pools of one entrance: programs that export keep no page from it."""

    def __init__(self) -> None:
        self._limits = {kind: CapacityLimiter(most) for kind, most in AT_ONCE.items()}

    async def run(self, kind: str, function: Callable[[Unpack[Given]], R], *arguments: *Given) -> R:
        """Calls it in a thread of the pool `kind`, once one is free."""
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._limits[kind])
