"""The service behind the page: one loaded model, one worker thread, and jobs that outlive the browser's connection.

A job belongs to an owner, a secret that the owner's browser keeps; an owner has one job at a time. Jobs are values: the
worker replaces them, readers take the present one whenever they like.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from pipeline.errors import ThroughlineError
from pipeline.story_pipeline import StoryPipeline, Trace

from . import preview
from .film import good_scale, staging, write_film, write_scene, write_trace
from .render import FilmOrder, Progress, SceneDone, render_film

log = logging.getLogger(__name__)

WAITING_JOBS = 32  # more are refused
KEPT_JOBS = 200  # of which the oldest ones are forgotten; their films stay on disk
ACTIVE = ("waiting", "running", "stopping")


def home() -> Path:
    """Where films are kept: THROUGHLINE_HOME, or the platform's folder for a user's data."""
    return Path(os.environ.get("THROUGHLINE_HOME") or platformdirs.user_data_dir("throughline", appauthor=False))


@dataclass(frozen=True, eq=False)
class SceneState:
    """A scene of a job. Pictures are data URLs, '' until there is one."""

    prompt: str
    state: str = "waiting"  # then "running", and "done" or "stopped"
    step: int = 0
    total: int = 0
    preview: str = ""  # moving: the estimate while it is made, then the clip
    still: str = ""  # the keyframe
    seconds: float = 0.0  # length of the clip
    trace: Trace | None = None


@dataclass(frozen=True, eq=False)
class Job:
    """A film being made, or what became of it."""

    id: str
    order: FilmOrder
    scenes: tuple[SceneState, ...]
    state: str = "waiting"  # then "running", "stopping" on its way to "cancelled", and "done", "cancelled" or "failed"
    error: str = ""  # one line, for the user
    film: Path | None = None
    aspect: float = 1.5  # width over height
    started: float = 0.0  # time.monotonic() of its first step
    finished: float = 0.0

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    def with_scene(self, index: int, **changes: Any) -> Job:
        """The job with one of its scenes changed."""
        scene = replace(self.scenes[index], **changes)
        return replace(self, scenes=(*self.scenes[:index], scene, *self.scenes[index + 1 :]))

    def ended(self, state: str, error: str = "") -> Job:
        """The job at its end; what was not made stays as it is."""
        scenes = tuple(scene if scene.state == "done" else replace(scene, state="stopped") for scene in self.scenes)
        return replace(self, state=state, error=error, scenes=scenes, finished=time.monotonic())


class Studio:
    """Takes orders, renders them one after the other, and knows how each is doing. Safe to use from any thread."""

    def __init__(self, load: Callable[[], StoryPipeline], folder: Path) -> None:
        self._load, self._folder = load, folder
        self._pipeline: StoryPipeline | None = None
        self._jobs: OrderedDict[str, Job] = OrderedDict()  # by owner
        self._before: dict[str, Job] = {}  # the last film of an owner whose new job has made nothing yet
        self._line: list[str] = []  # owners in the order of their jobs
        self._changed = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="studio", daemon=True)
        self._worker.start()

    # --- for the page ----------------------------------------------------------------------------------------------

    def submit(self, owner: str, order: FilmOrder) -> Job:
        """Puts a job in line. Raises ThroughlineError if the owner's last one is not over, or the line too long."""
        job = Job(uuid.uuid4().hex, order, tuple(SceneState(prompt) for prompt in order.prompts))
        with self._changed:
            last = self._jobs.get(owner)
            if last and last.active:
                raise ThroughlineError("Your last film is still being made: cancel it or wait for it.")
            if len(self._line) >= WAITING_JOBS:
                raise ThroughlineError(f"{len(self._line)} films are waiting already: try again later.")
            if last:
                self._before[owner] = last
            self._put(owner, job)
            self._line.append(owner)
            self._changed.notify_all()
        return job

    def cancel(self, owner: str) -> None:
        """Ends the owner's job: at once if it waits, after the present step if it is being made."""
        with self._changed:
            job = self._jobs.get(owner)
            if job is None or job.state not in ("waiting", "running"):
                return
            if job.state == "waiting":
                self._line.remove(owner)
                self._put(owner, job.ended("cancelled"))
            else:
                self._put(owner, replace(job, state="stopping"))

    def job(self, owner: str) -> Job | None:
        """The owner's present or last job."""
        return self._jobs.get(owner)

    def position(self, owner: str) -> int:
        """How many films are made before the owner's."""
        with self._changed:
            others = sum(job.state in ("running", "stopping") for job in self._jobs.values())
            return others + self._line.index(owner) if owner in self._line else 0

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._pipeline is not None

    def close(self) -> None:
        """Stops the worker after the present step."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._worker.join()

    # --- the worker ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (owner := self._next()) is not None:
            try:
                self._make(owner)
            except ThroughlineError as error:
                self._fail(owner, str(error))
            except Exception as error:  # the boundary of a job: whatever happens in one, the next one is made
                log.exception("a film failed")
                self._fail(owner, f"The film failed: {type(error).__name__}: {error}".splitlines()[0][:300])

    def _next(self) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._closed)
            if self._closed:
                return None
            owner = self._line.pop(0)
            self._put(owner, replace(self._jobs[owner], state="running"))
            return owner

    def _make(self, owner: str) -> None:
        if self._pipeline is None:
            self._pipeline = self._load()
        pipeline, scenes = self._pipeline, list[SceneDone]()
        with closing(render_film(pipeline, self._jobs[owner].order)) as events:
            for event in events:
                if self._stopped(owner):
                    self._update(owner, lambda job: job.ended("cancelled"))
                    return
                self._update(owner, _after(event, pipeline.frames_per_second))
                scenes += [event] if isinstance(event, SceneDone) else []
        film = self._write(self._jobs[owner], scenes, pipeline.frames_per_second)
        self._update(owner, lambda job: replace(job.ended("done"), film=film))

    def _write(self, job: Job, scenes: Sequence[SceneDone], rate: float) -> Path:
        """The film and its files, in a folder of its own."""
        folder = self._folder / "films" / f"{time.strftime('%Y%m%d-%H%M%S')}-{job.id[:8]}"
        folder.mkdir(parents=True)
        film, scale = folder / "film.mp4", good_scale(scenes[0].frames.shape[2])
        with staging(film) as target:
            for scene in scenes:
                write_scene(target, scene, rate, scale)
            write_film(target / film.name, scenes, rate, scale)
            about = {"film": film.name, "frames_per_second": rate, "scale": scale, "guidance": vars(job.order.guidance)}
            write_trace(target, scenes, about)
        return film

    def _stopped(self, owner: str) -> bool:
        return self._closed or self._jobs[owner].state == "stopping"

    def _fail(self, owner: str, message: str) -> None:
        """The job's end; if it has made nothing, the owner's last film comes back with the message."""
        with self._changed:
            job, last = self._jobs[owner], self._before.get(owner)
            if last and not any(scene.preview for scene in job.scenes):
                self._put(owner, replace(last, error=message))
            else:
                self._put(owner, job.ended("failed", message))

    def _update(self, owner: str, change: Callable[[Job], Job]) -> None:
        with self._changed:
            self._put(owner, change(self._jobs[owner]))

    def _put(self, owner: str, job: Job) -> None:
        self._jobs[owner] = job
        self._jobs.move_to_end(owner)
        if job.state == "done":
            self._before.pop(owner, None)
        for oldest in list(self._jobs)[: max(0, len(self._jobs) - KEPT_JOBS)]:
            if not self._jobs[oldest].active:
                self._jobs.pop(oldest)
                self._before.pop(oldest, None)


def _after(event: Progress | SceneDone, rate: float) -> Callable[[Job], Job]:
    """What an event changes in a job."""
    if isinstance(event, Progress):
        step = event.step
        seen = {"step": step.index, "total": step.total, "preview": preview.moving(step.preview, rate)}
        return lambda job: _begun(job, step.preview).with_scene(event.scene, state="running", **seen)
    moving, still = preview.moving(event.frames, rate, quality=80), preview.still(event.keyframe)
    made = {"preview": moving, "still": still, "seconds": len(event.frames) / rate, "trace": event.trace}
    return lambda job: _begun(job, event.frames).with_scene(event.scene, state="done", **made)


def _begun(job: Job, frames: np.ndarray) -> Job:
    return replace(job, started=job.started or time.monotonic(), aspect=frames.shape[2] / frames.shape[1])
