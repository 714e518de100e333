"""How the jobs of a story are followed, by whoever waits in a thread and by whoever must not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from ..rendering.queue import Queue
from .arguments import Json
from .views import jobs_view


def steps(queue: Queue, owner: str, story: str) -> Iterator[Json]:
    """The jobs of a story at every change, until none is active. Never waits: it gives {} where a caller may."""
    seen, active = -1, True
    while active:
        if queue.version != seen:
            seen, jobs = queue.version, queue.jobs(owner, story)
            active = any(job.active for job in jobs)
            yield {"jobs": jobs_view(jobs, queue.positions())}
        if active:
            yield {}


def waiting(parts: Iterator[Json], pause: float = 0.1) -> Iterator[Json]:
    """All but the {} among the parts: there it holds its thread for `pause` seconds."""
    wait = threading.Event()
    for part in parts:
        if part:
            yield part
        else:
            wait.wait(pause)
