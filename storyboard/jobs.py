"""The queue: one worker thread makes one job after the other, whoever watches.

A job belongs to an owner and a story. Jobs are values: the worker replaces them, readers take the present ones whenever
they like. What a job does is a generator that the studio gives: it yields steps, and closing it cancels.

Does not cover: several devices.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import ThroughlineError

from .story import new_id

log = logging.getLogger(__name__)

WAITING_JOBS = 1000  # of all owners together; more are refused
KEPT_JOBS = 4000  # of which the oldest that are over are forgotten
ACTIVE = ("queued", "running")


@dataclass(frozen=True, eq=False)
class Job:
    """A render: of scene `scene`, or a trial whose result lies in `result`."""

    owner: str
    story: str
    scene: str
    kind: str = "scene"  # or "trial"
    order: Any = None  # what the studio makes of it
    id: str = ""
    saved: str = ""  # its id in the library, from which it is started again after a crash
    state: str = "queued"  # then "running", and "done", "failed" or "cancelled"
    step: int = 0
    total: int = 0
    preview: str = ""  # data URL of the estimate, moving
    error: str = ""  # one line, for the user
    result: Any = None

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


@dataclass(frozen=True, eq=False)
class Made:
    """What a worker's generator yields: a step, or (with `result`) the end."""

    step: int = 0
    total: int = 0
    preview: str = ""
    result: Any = None


Work = Callable[[Job], Generator[Made, None, None]]


class Queue:
    """Safe to use from any thread. `version` grows with every change.

    ended: called with every job that is over, but for those that `close` cuts short.
    """

    def __init__(self, work: Work, ended: Callable[[Job], None] = lambda job: None) -> None:
        self._work, self._ended = work, ended
        self._jobs: dict[str, Job] = {}  # in the order in which they were asked for
        self._changed = threading.Condition()
        self._cancelled: set[str] = set()  # running jobs that are to stop
        self._closed = False
        self.version = 0
        self._worker = threading.Thread(target=self._run, name="renderer", daemon=True)
        self._worker.start()

    def missing(self, jobs: Collection[Job]) -> list[Job]:
        """Those of the jobs that do not wait in line already, for the same reason."""
        with self._changed:
            line = {(job.story, job.scene, job.order) for job in self._jobs.values()
                    if job.state == "queued" and job.kind == "scene"}  # fmt: skip
            return [job for job in jobs if (job.story, job.scene, job.order) not in line]

    def submit(self, jobs: Collection[Job], most: int = WAITING_JOBS) -> list[Job]:
        """Puts jobs in line. Raises ThroughlineError if more than `most` would wait then."""
        with self._changed:
            waiting = sum(job.state == "queued" for job in self._jobs.values())
            if waiting + len(jobs) > most:
                raise ThroughlineError(f"{waiting} scenes are waiting to be rendered already: try again later")
            fresh = [replace(job, id=new_id()) for job in jobs]
            for job in fresh:
                self._put(job)
            self._changed.notify_all()
        return fresh

    def cancel(
        self, owner: str, story: str, scenes: Collection[str] | None = None, kind: str = "scene",
        ids: Collection[str] | None = None,
    ) -> None:  # fmt: skip
        """Cancels jobs of a story: at once those that wait, after the present step the one that runs. scenes, ids: only
        jobs of these scenes, or these jobs."""
        with self._changed:
            for job in list(self._jobs.values()):
                own = job.owner == owner and job.story == story and job.kind == kind
                named = (scenes is None or job.scene in scenes) and (ids is None or job.id in ids)
                if own and named and job.active:
                    if job.state == "running":
                        self._cancelled.add(job.id)
                    else:
                        self._put(replace(job, state="cancelled"))
                        self._end(job)

    def jobs(self, owner: str, story: str) -> list[Job]:
        """The jobs of a story that are not forgotten, in order."""
        with self._changed:
            return [job for job in self._jobs.values() if job.owner == owner and job.story == story]

    def job(self, owner: str, job_id: str) -> Job:
        """Raises ThroughlineError if the owner has no such job."""
        job = self._jobs.get(job_id)
        if job is None or job.owner != owner:
            raise ThroughlineError(f"job {job_id!r} does not exist")
        return job

    def positions(self) -> dict[str, int]:
        """Place in the line, from 1, of every job that waits, by id."""
        with self._changed:
            waiting = [job.id for job in self._jobs.values() if job.state == "queued"]
        return {job_id: place for place, job_id in enumerate(waiting, 1)}

    def clear(self, owner: str, story: str, scene: str) -> None:
        """Forgets how the last renders of a scene ended; its trials stay."""
        with self._changed:
            for job in list(self._jobs.values()):
                if (job.owner, job.story, job.scene, job.kind, job.active) == (owner, story, scene, "scene", False):
                    self._forget(job)

    def close(self) -> None:
        """Stops the worker after the present step."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._worker.join()

    # --- the worker ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (job := self._next()) is not None:
            cut_short = False
            try:
                cut_short = not self._make(job)
            except ThroughlineError as error:
                self._update(job, state="failed", preview="", error=str(error))
            except Exception as error:  # the boundary of a job: whatever happens in one, the next one is made
                log.exception("a render failed")
                reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
                self._update(job, state="failed", preview="", error=f"The render failed: {reason}")
            if not cut_short:
                self._end(job)

    def _end(self, job: Job) -> None:
        try:
            self._ended(job)
        except ThroughlineError:  # a full disk: the job is started again after a restart, and the line goes on
            log.exception("the end of a render could not be noted")

    def _next(self) -> Job | None:
        with self._changed:
            while not self._closed:
                for job in self._jobs.values():
                    if job.state == "queued":
                        self._put(running := replace(job, state="running"))
                        return running
                self._changed.wait()
            return None

    def _make(self, job: Job) -> bool:
        """False if `close` cut it short. A job that was cancelled is over, even if the queue is closed then."""
        with closing(self._work(job)) as steps:
            for made in steps:
                cancelled = job.id in self._cancelled
                if cancelled or self._closed:
                    self._cancelled.discard(job.id)
                    self._update(job, state="cancelled", preview="")
                    return cancelled
                shown = {"step": made.step, "total": made.total, "preview": made.preview}
                self._update(job, **(shown if made.result is None else {"result": made.result}))
        self._cancelled.discard(job.id)
        self._update(job, state="done", preview="")
        return True

    def _update(self, job: Job, **changes: Any) -> None:
        with self._changed:
            if job.id in self._jobs:
                self._put(replace(self._jobs[job.id], **changes))

    def _put(self, job: Job) -> None:
        self.version += 1
        self._jobs[job.id] = job
        over = [other for other in self._jobs.values() if not other.active]
        for other in over[: max(0, len(self._jobs) - KEPT_JOBS)]:
            self._forget(other)

    def _forget(self, job: Job) -> None:
        self.version += 1
        self._jobs.pop(job.id, None)
