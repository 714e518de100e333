"""How the jobs of a story are followed."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import ThroughlineError

from ..rendering.queue import Queue
from .arguments import Json
from .views import jobs_view


def steps(queue: Queue, owner: str, story: str) -> Iterator[Json]:
    """The jobs of a story at every change, until none is active. Never waits: it gives {} where a caller may.

    Raises ThroughlineError once the queue is closed, for what is in line then has no end in this process."""
    seen, active = -1, True
    while active:
        if queue.version != seen:
            seen, jobs = queue.version, queue.jobs(owner, story)
            active = any(job.active and job.kind in ("scene", "trial") for job in jobs)
            yield {"jobs": jobs_view(jobs, queue.positions())}
        if active and queue.closed:
            raise ThroughlineError("the app is being stopped: what is in line goes on when it is started again")
        if active:
            yield {}
