"""How the jobs of a story are followed."""

from __future__ import annotations

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
