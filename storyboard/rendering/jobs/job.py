"""A job of the queue, and what its maker says about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from typing import Any

ACTIVE = ("queued", "running")
KINDS = ("scene", "trial", "teach", "finish")
STALE, ASKED, AGAIN = "stale", "asked", "again"  # why a scene is rendered: see `Renderer.submit`


@dataclass(frozen=True, eq=False)
class Job:
    """A render: of scene `scene`, or a trial whose result lies in `result`."""

    owner: str
    story: str
    scene: str
    kind: str = "scene"  # or another of KINDS: "trial", "finish", or "teach", whose scene is an entry of the cast
    order: Any = None  # what the studio makes of it
    id: str = ""
    saved: str = ""  # its id in the library, from which it is started again after a crash
    state: str = "queued"  # then "running", and "done", "failed" or "cancelled"
    step: int = 0
    total: int = 0
    preview: str = ""  # data URL of the estimate, moving
    error: str = ""  # one line, for the user
    notice: str = ""  # what a user should know: that memory ran out, and what was done about it
    seconds: float = 0.0  # of the clip that are finished; the preview is these. 0 where all are made at once
    lasts: float = 0.0  # seconds of a clip of which some are finished before others, else 0
    result: Any = None
    address: str = ""  # that the owner called from; "" if the host gives none
    number: int = 0  # grows with every job that is asked for
    needs: tuple[str, ...] | None = None  # scenes whose jobs before it must be over; None for all of the story

    def follows(self, other: Job) -> bool:
        """Whether it waits for another job that is not over."""
        before = (other.owner, other.story) == (self.owner, self.story) and other.number < self.number
        return before and (other.kind == "scene" or other.kind == self.kind != "trial") and self._needs(other)

    def _needs(self, other: Job) -> bool:
        return self.needs is None or other.scene in self.needs or other.scene == self.scene

    @property
    def alone(self) -> bool:
        """Whether the process itself makes it, one at a time: all but what is made from an order."""
        return self.kind not in ("scene", "trial") or not isinstance(self.order, str | int)

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


def kind_of(order: object) -> str:
    """Of a job that is begun again, by its order: what is taught or finished has that for its first word."""
    first = order.partition(" ")[0] if isinstance(order, str) else ""
    return first if first in KINDS else "scene"


def render_order(scene: str, scenes: Collection[str] | None, again: bool, variants: int) -> str | int:
    """Why a scene is rendered, or as how many takes with new seeds. scenes: those that were asked for."""
    if scenes is None or scene not in scenes:
        return STALE
    return variants if variants > 1 else AGAIN if again else ASKED


@dataclass(frozen=True, eq=False)
class Made:
    """What a worker's generator yields: a step, or (with `result`) the end. Without a preview or a notice the last one
    stays."""

    step: int = 0
    total: int = 0
    preview: str = ""
    notice: str = ""
    seconds: float = 0.0
    lasts: float = 0.0
    result: Any = None
    needs: tuple[str, ...] | None = None  # put it back in line: these scenes must come first, as it turned out


Making = Callable[[Any, Job], Generator[Made, None, None]]  # of a job, by a renderer


def may_begin(active: Collection[Job]) -> Callable[[Job], bool]:
    """Which of the jobs that are not over may begin while others of them run."""
    lines = defaultdict[tuple[str, str], list[Job]](list)
    for job in active:
        lines[job.owner, job.story].append(job)
    taken = any(job.alone and job.state == "running" for job in active)

    def may(job: Job) -> bool:
        return not (job.alone and taken) and not any(map(job.follows, lines[job.owner, job.story]))

    return may
