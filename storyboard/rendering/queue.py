"""The queue: a thread makes one job after the other, whoever watches; with workers on other machines, several do.

A job belongs to an owner and a story. Jobs are values: the worker replaces them, readers take the present ones whenever
they like. What a job does is a generator that the studio gives: it yields steps, and closing it cancels.

Owners and addresses take turns (`turns`), so that a long film of one keeps nobody else waiting. A watchdog gives up a
job that makes no step any more: its thread, which nothing can stop, is left behind, and another one goes on with the
line. A job waits for those before it that it needs.

Does not cover: where it is made (`storyboard.rendering.workers`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import ThroughlineError

from ..document.story import new_id
from ..logs import event
from .jobs.job import Job, Made, may_begin
from .limits import LIMITS, QueueLimits
from .turns import Turns

log = logging.getLogger(__name__)

KEPT_JOBS = 4000  # of which the oldest that are over are forgotten
CLOSING_SECONDS = 3.0  # for the present step, when the queue is closed


Work = Callable[[Job], Generator[Made, None, None]]


@dataclass(frozen=True)
class _Place:
    """Where a running job is made, and when it last made a step."""

    thread: threading.Thread
    since: float


def _nothing() -> None: ...


class Queue:
    """Safe to use from any thread. `version` grows with every change.

    ended: called with every job that is over, but for those that `close` cuts short. tidy_up: called after every job
    that failed or was cancelled, when nothing of it is left: it may free a device's memory.
    """

    def __init__(
        self,
        work: Work,
        ended: Callable[[Job], None] = lambda job: None,
        limits: QueueLimits = LIMITS,
        tidy_up: Callable[[], None] = _nothing,
    ) -> None:
        self._work, self._ended, self.limits, self._tidy_up = work, ended, limits, tidy_up
        self._jobs: dict[str, Job] = {}  # in the order in which they were asked for
        self._turns = Turns()
        self._order: dict[str, int] | None = None  # `positions`, until who waits changes
        self._changed = threading.Condition()
        self._cancelled: set[str] = set()  # running jobs that are to stop
        self._closed = False
        self._running: dict[str, _Place] = {}  # by job
        self._workers: set[threading.Thread] = set()  # but for those that a stuck job holds
        self.left_behind = 0  # so many are those
        self.version = 0
        self._new_worker()
        self._watchdog = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._watchdog.start()

    def _new_worker(self) -> None:
        worker = threading.Thread(target=self._run, name="renderer", daemon=True)
        self._workers.add(worker)
        worker.start()

    def widen(self, places: int) -> None:
        """Makes at least so many jobs at once from now on."""
        with self._changed:
            for _ in range(len(self._workers), places if not self._closed else 0):
                self._new_worker()

    @property
    def places(self) -> int:
        """How many jobs are made at once."""
        return len(self._workers)

    # --- the line --------------------------------------------------------------------------------------------------

    def missing(self, jobs: Collection[Job]) -> list[Job]:
        """Those of the jobs that do not wait in line already, for the same reason."""
        with self._changed:
            line = {
                (job.story, job.scene, job.order)
                for job in self._jobs.values()
                if job.state == "queued" and job.kind == "scene"
            }
            return [job for job in jobs if (job.story, job.scene, job.order) not in line]

    def check_room(self, jobs: Collection[Job]) -> None:
        """Raises ThroughlineError if the line would be too long with these jobs, of one owner."""
        with self._changed:
            waiting = Counter((job.owner, job.address) for job in self._waiting())
        for owner, address in {(job.owner, job.address) for job in jobs}:
            self.limits.check_room(waiting, owner, address, len(jobs))

    def submit(self, jobs: Collection[Job], checked: bool = True) -> list[Job]:
        """Puts jobs of one owner in line. Raises ThroughlineError if it would be too long then; with `checked` False,
        for what was in line before a restart, never."""
        with self._changed:
            if checked:
                self.check_room(jobs)
            fresh = [replace(job, id=new_id(), number=self.version + place) for place, job in enumerate(jobs, 1)]
            for job in fresh:
                self._put(job)
            self._changed.notify_all()
        return fresh

    def refuse(self, job: Job, error: str) -> None:
        """Shows a job as failed that is not even begun."""
        with self._changed:
            self._put(failed := replace(job, id=new_id(), state="failed", error=error))
        self._end(failed)

    def cancel(
        self,
        owner: str,
        story: str,
        scenes: Collection[str] | None = None,
        kind: str | None = "scene",
        ids: Collection[str] | None = None,
    ) -> None:
        """Cancels jobs of a story: at once those that wait, after the present step the one that runs. scenes, ids: only
        jobs of these scenes, or these jobs. kind: None for every kind."""
        with self._changed:
            over = []
            for job in list(self._jobs.values()):
                own = job.owner == owner and job.story == story and kind in (None, job.kind)
                named = (scenes is None or job.scene in scenes) and (ids is None or job.id in ids)
                if own and named and job.active:
                    if job.state == "running":
                        self._cancelled.add(job.id)
                    else:
                        self._put(cancelled := replace(job, state="cancelled"))
                        over.append(cancelled)
        for job in over:
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
        """Place in the line, from 1, of every job that waits, by id. Not to be changed."""
        with self._changed:
            if self._order is None:
                order = self._turns.order(self._waiting(), self.version)
                self._order = {job.id: place for place, job in enumerate(order, 1)}
            return self._order

    def _waiting(self) -> Iterator[Job]:
        return (job for job in self._jobs.values() if job.state == "queued")

    def clear(self, jobs: Collection[Job]) -> None:
        """Forgets how the last ones of their kind and scene ended."""
        again = {(job.owner, job.story, job.kind, job.scene) for job in jobs}
        with self._changed:
            for job in list(self._jobs.values()):
                if not job.active and (job.owner, job.story, job.kind, job.scene) in again:
                    self._forget(job)

    def state(self) -> dict[str, int | bool]:
        """How the queue is doing, for those who look after the machine."""
        with self._changed:
            states = [job.state for job in self._jobs.values()]
            alive = all(worker.is_alive() for worker in self._workers)
            healthy = alive and self.left_behind < self.limits.left_behind
            return {
                "waiting": states.count("queued"),
                "running": states.count("running"),
                "stuck": self.left_behind,
                "working": healthy and not self._closed,
            }

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self, patience: float = CLOSING_SECONDS) -> list[Job]:
        """Stops after the present step, or leaves it behind after so many seconds. Gives the jobs that were cut short,
        which belong to the line of the next start."""
        with self._changed:
            begun = [job for job in self._jobs.values() if job.state == "running"]
            self._closed = True
            self._changed.notify_all()
        until = time.monotonic() + patience
        for thread in (*self._workers, self._watchdog):
            thread.join(max(0.0, until - time.monotonic()))
        with self._changed:
            left = [job for job in begun if self._jobs.get(job.id, job).state in ("running", "cut short")]
            cancelled = [replace(job, state="cancelled") for job in left if job.id in self._cancelled]
        for job in cancelled:  # its step is not over yet, and it is not to be begun again
            self._end(job)
        return [job for job in left if job.id not in {other.id for other in cancelled}]

    # --- the worker ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (job := self._next()) is not None:
            state, error = self._outcome(job)
            with self._changed:
                if threading.current_thread() not in self._workers:
                    self.left_behind -= 1  # it came back after all; its job is over for long
                    return
                self._running.pop(job.id, None)
                self._cancelled.discard(job.id)
            if state == "queued":
                continue  # put back in line
            self._update(job, state=state, preview="", error=error)
            if state != "done":
                self._tidy()
            if state != "cut short":
                self._end(replace(job, state=state, error=error))

    def _outcome(self, job: Job) -> tuple[str, str]:
        """Makes a job; gives its state and error. This is its boundary: whatever happens in one, the next is made."""
        try:
            return self._make(job), ""
        except ThroughlineError as error:
            return "failed", str(error)
        except OSError as error:
            log.exception("a render failed")
            return "failed", f"The {_made(job)} could not be written: {error.strerror or error}"
        except BaseException as error:  # SystemExit too: a worker that is gone would leave all others waiting
            if _lacks_memory(error):
                return "failed", "There was not enough memory: try fewer frames or a smaller picture."
            log.exception("a render failed")
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            return "failed", f"The {_made(job)} failed: {reason}"

    def _end(self, job: Job) -> None:
        event(f"job {job.state}", story=job.story, scene=job.scene, job=job.id, kind=job.kind, error=job.error)
        try:
            self._ended(job)
        except Exception:  # a full disk: the job is started again after a restart, and the line goes on
            log.exception("the end of a render could not be noted")

    def _tidy(self) -> None:
        try:
            self._tidy_up()
        except Exception:  # a device that is broken: the next job says so, and the line goes on
            log.exception("what a render held could not be given back")

    def _next(self) -> Job | None:
        with self._changed:
            while not self._closed and threading.current_thread() in self._workers:
                job = self._turns.take(self._waiting(), self.version, **self._known())
                if job is not None:
                    self._put(running := replace(job, state="running"))
                    self._running[job.id] = _Place(threading.current_thread(), time.monotonic())
                    self._changed.notify_all()
                    return running
                self._changed.wait()
            return None

    def _known(self) -> dict[str, Any]:
        """What turns need to know where several are served at once."""
        if self.places == 1:
            return {}
        active = [job for job in self._jobs.values() if job.active]
        serving = [job for job in active if job.state == "running"]
        return {"ready": may_begin(active), "serving": serving}

    def _make(self, job: Job) -> str:
        """Its state at the end. A job that was cancelled is over, even if the queue is closed then."""
        event("job begun", story=job.story, scene=job.scene, job=job.id, kind=job.kind)
        began = time.monotonic()
        with closing(self._work(job)) as steps:
            for made in steps:
                with self._changed:
                    if threading.current_thread() not in self._workers or job.id in self._cancelled:
                        return "cancelled"
                    if self._closed:
                        return "cut short"
                    self._running[job.id] = _Place(threading.current_thread(), time.monotonic())
                    if made.needs is not None and self._put_back(job, made.needs):
                        return "queued"
                if time.monotonic() - began > self.limits.job_seconds:
                    most = f"{self.limits.job_seconds:g} s"
                    raise ThroughlineError(f"the render took longer than {most}: it was stopped")
                kept = {"preview": made.preview, "notice": made.notice}
                far = {"step": made.step, "total": made.total, "seconds": made.seconds, "lasts": made.lasts}
                shown = far | {k: v for k, v in kept.items() if v}
                self._update(job, **(shown if made.result is None else {"result": made.result}))
        return "done"

    def _put_back(self, job: Job, needs: tuple[str, ...]) -> bool:
        """Whether a job waits for others, as it turned out; it is in line again then."""
        waits = replace(job, needs=needs)
        if not any(waits.follows(other) for other in self._jobs.values() if other.active):
            return False
        self._put(replace(waits, state="queued"))
        return True

    def _update(self, job: Job, **changes: Any) -> None:
        with self._changed:
            if job.id in self._jobs:
                self._put(replace(self._jobs[job.id], **changes))

    def _put(self, job: Job) -> None:
        before = self._jobs.get(job.id)
        if "queued" in (job.state, before and before.state):
            self._order = None
        self.version += 1
        self._jobs[job.id] = job
        if not job.active:
            self._changed.notify_all()  # others may have waited for it
        over = [other for other in self._jobs.values() if not other.active] if len(self._jobs) > KEPT_JOBS else []
        for other in over[: max(0, len(self._jobs) - KEPT_JOBS)]:
            self._forget(other)

    def _forget(self, job: Job) -> None:
        self.version += 1
        self._jobs.pop(job.id, None)

    # --- the watchdog ----------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Waits as long as the running job may still take for its step."""
        with self._changed:
            while not self._closed:
                stuck = self._stuck()
                if stuck:
                    self._give_up(stuck)
                oldest = min((place.since for place in self._running.values()), default=None)
                left = None if oldest is None else self.limits.step_seconds - (time.monotonic() - oldest)
                self._changed.wait(None if left is None else max(left, 0.001))

    def _stuck(self) -> Job | None:
        until = time.monotonic() - self.limits.step_seconds
        stuck = (self._jobs.get(job) for job, place in self._running.items() if place.since <= until)
        return next(stuck, None)

    def _give_up(self, job: Job) -> None:
        self.left_behind += 1
        self._workers.discard(self._running.pop(job.id).thread)
        error = f"The render was stuck for {self.limits.step_seconds:g} s: it was given up"
        self._put(failed := replace(job, state="failed", preview="", error=error))
        self._new_worker()
        self._end(failed)


def _made(job: Job) -> str:
    """What a job makes, in words."""
    return "finish" if job.kind == "finish" else "render"


def _lacks_memory(error: BaseException) -> bool:
    """What Python, CUDA and torch on a processor raise when there is no room."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )
