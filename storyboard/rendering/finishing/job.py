"""Finishing as a job of the queue: the chosen take of a scene is drawn larger and at the film's rate, and kept beside
its draft, so that nothing is finished twice.

It has progress and can be cancelled, and is begun again after a crash. What is finished has no part in what depends on
what.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import numpy as np

from pipeline.errors import ThroughlineError

from ...document.story import Board, Take
from ...media.temporary import temporary_folder
from ...media.video import write_video
from ...store.blobs import BlobStore
from ...store.clips import read_frames
from ...store.finished import FinishedClip
from ...store.library import Library
from ...store.room import check_disk
from ..callers import caller_address
from ..jobs.job import Job, Made
from ..queue import Queue
from .finisher import Finisher, drawn_rate, smoothed

KIND = "finish"  # of a job; its order says which take, and at what rate
DEVICE = "finish"  # as which timings are kept: by the finisher, wherever it runs


class Rendering(Protocol):
    """As much of a `Renderer` as finishing needs."""

    library: Library
    media: BlobStore
    queue: Queue
    finisher: Finisher

    def put_in_line(self, jobs: Sequence[Job]) -> None: ...


class Cancelled(Exception):
    """Ends the writing of a clip that nobody wants any more."""


@dataclass(frozen=True)
class Wanted:
    """A take as a film wants it: at its rate."""

    take: Take
    rate: float
    prompt: str  # of what it shows

    @classmethod
    def of(cls, board: Board, take: Take) -> Wanted:
        scene = board.story.scene(take.scene)
        prompt = take.conditioning.prompt if take.conditioning else scene.prompt
        return cls(take, drawn_rate(take.width, take.frames_per_second, board.story.film.rate), prompt)

    @property
    def order(self) -> str:
        """Of its job."""
        return f"{KIND} {self.take.id} {self.rate:g}"

    @property
    def work(self) -> float:
        """What its time is proportional to: millions of pixels of the draft at that rate."""
        take = self.take
        return take.num_frames * self.rate / take.frames_per_second * take.width * take.height / 1e6


def find(renderer: Rendering, wanted: Wanted) -> FinishedClip | None:
    """A take as it was finished, if that is kept."""
    finisher = renderer.finisher
    heard = finisher.heard(wanted.prompt)
    found = renderer.library.finished.find(wanted.take.clip, finisher.digest, heard, wanted.rate)
    return found if found and renderer.media.has(found.clip, "mp4") else None


def submit(renderer: Rendering, owner: str, board: Board, takes: Sequence[Take]) -> None:
    """Puts takes in line, each the chosen one of its scene, but those that are finished or in line already. Raises
    ThroughlineError, putting none in line, where one can't be finished."""
    for take in takes:
        renderer.finisher.check(take.width)
    story, place = board.story.id, caller_address()
    jobs = jobs_of(renderer, owner, story)
    asked = [Wanted.of(board, take) for take in takes]
    left = [one for one in asked if find(renderer, one) is None and not _active(jobs.get(one.order))]
    orders = [Job(owner, story, one.take.scene, KIND, one.order, address=place, needs=()) for one in left]
    if orders:
        renderer.put_in_line(orders)


def refusal(renderer: Rendering, takes: Sequence[Take]) -> str:
    """Why they can't be finished; "" if they can."""
    try:
        for take in takes:
            renderer.finisher.check(take.width)
    except ThroughlineError as error:
        return str(error)
    return ""


def _active(job: Job | None) -> bool:
    return job is not None and job.active


def jobs_of(renderer: Rendering, owner: str, story: str) -> dict[str, Job]:
    """The last one of every order since the app was started."""
    return {job.order: job for job in renderer.queue.jobs(owner, story) if job.kind == KIND}


def seconds_for(renderer: Rendering, left: Sequence[Wanted], jobs: Mapping[str, Job]) -> float | None:
    """About how long the rest of these takes, by the median of the last ones; None while there were none."""
    if not left:
        return 0.0
    known = renderer.library.job_store.timings(renderer.finisher.digest, DEVICE, False)
    rates = sorted(seconds / work for work, seconds in known)
    return rates[len(rates) // 2] * sum(one.work * _share(jobs.get(one.order)) for one in left) if rates else None


def _share(job: Job | None) -> float:
    """Of a clip that is not made yet."""
    return 1 - job.step / job.total if job and job.total and job.active else 1.0


def make(renderer: Rendering, job: Job) -> Generator[Made, None, None]:
    """Does a job, unless another take is chosen by now or the film has another rate. Raises ThroughlineError for a take
    that can't be finished, and for no room."""
    renderer.library.job_store.begin(job.saved)
    board = renderer.library.head(job.owner, job.story).board
    chosen = [board.chosen(scene) for scene in board.story.scenes if scene.id == job.scene]
    wanted = [one for take in chosen if take and (one := Wanted.of(board, take)).order == job.order]
    if not wanted or find(renderer, wanted[0]) is not None:
        return
    finisher, media, (one,) = renderer.finisher, renderer.media, wanted
    check_disk(media.folder)
    yield Made()
    _, began = finisher.upscaler, time.perf_counter()  # loaded before it counts
    draft = smoothed(read_frames(media, one.take), one.take.frames_per_second, one.rate)
    with temporary_folder() as folder:
        path = folder / "finished.mp4"
        height, width = yield from _written(path, finisher.frames(draft, one.prompt), one.rate, len(draft))
        made = FinishedClip(media.put_file(path), width, height, len(draft), one.rate)
    renderer.library.finished.add(one.take.clip, finisher.digest, finisher.heard(one.prompt), made)
    seconds = time.perf_counter() - began
    renderer.library.job_store.add_timing(finisher.digest, DEVICE, False, one.work, seconds)


def _written(
    path: Path, frames: Iterable[np.ndarray], rate: float, total: int
) -> Generator[Made, None, tuple[int, int]]:
    """Writes a clip in a thread of its own and yields how many frames of it are made; gives their height and width.
    Closing the generator ends the writing after the present frame."""
    done: SimpleQueue[int] = SimpleQueue()
    over, sizes = threading.Event(), set[tuple[int, int]]()

    def told() -> Iterable[np.ndarray]:
        for count, frame in enumerate(frames, 1):
            if over.is_set():
                raise Cancelled
            sizes.add((frame.shape[0], frame.shape[1]))
            yield frame
            done.put(count)

    def write() -> None:
        try:
            write_video(path, told(), rate)
        finally:
            done.put(0)

    with ThreadPoolExecutor(1, thread_name_prefix="finish") as pool:
        writing: Future[None] = pool.submit(write)
        try:
            while count := done.get():
                yield Made(count, total)
        except GeneratorExit:
            over.set()
            raise
        writing.result()
    (size,) = sizes
    return size
