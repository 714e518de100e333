"""Finishing as a job of the queue: the chosen take of a scene is drawn larger and at the film's rate, and kept beside
its draft, so that nothing is finished twice.

It has progress and can be cancelled, and is begun again after a crash. What is finished has no part in what depends on
what.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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

KIND = ORDER = "finish"  # of a job
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


def find(renderer: Rendering, take: Take, board: Board) -> FinishedClip | None:
    """A take as it was finished for the film, if that is kept."""
    rate = drawn_rate(take.width, take.frames_per_second, board.story.film.rate)
    found = renderer.library.finished.find(take.clip, renderer.finisher.digest, rate)
    return found if found and renderer.media.holds((found.clip, "mp4")) else None


def submit(renderer: Rendering, owner: str, board: Board, takes: Sequence[Take]) -> None:
    """Puts takes in line, each the chosen one of its scene, but those that are finished or in line already. Raises
    ThroughlineError, putting none in line, where one can't be finished."""
    for take in takes:
        renderer.finisher.check(take.width)
    story, place = board.story.id, caller_address()
    jobs = jobs_of(renderer, owner, story)
    wanted = [t.scene for t in takes if find(renderer, t, board) is None and not _active(jobs.get(t.scene))]
    orders = [Job(owner, story, scene, KIND, ORDER, address=place, needs=()) for scene in wanted]
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
    """The last one of every scene since the app was started."""
    return {job.scene: job for job in renderer.queue.jobs(owner, story) if job.kind == KIND}


def seconds_for(renderer: Rendering, takes: Sequence[Take], board: Board) -> float | None:
    """About how long takes will take, by the median of the last ones; None while there were none."""
    known = renderer.library.job_store.timings(renderer.finisher.digest, DEVICE, False)
    rates = sorted(seconds / work for work, seconds in known)
    return rates[len(rates) // 2] * sum(_work(take, board) for take in takes) if rates else None


def _work(take: Take, board: Board) -> float:
    """What its time is proportional to: millions of a draft's pixels."""
    rate = drawn_rate(take.width, take.frames_per_second, board.story.film.rate)
    return take.num_frames * rate / take.frames_per_second * take.width * take.height / 1e6


def make(renderer: Rendering, job: Job) -> Generator[Made, None, None]:
    """Does a job. Raises ThroughlineError for a take that can't be finished, and for no room."""
    renderer.library.job_store.begin(job.saved)
    board = renderer.library.head(job.owner, job.story).board
    scene = next((scene for scene in board.story.scenes if scene.id == job.scene), None)
    take = board.chosen(scene) if scene else None
    if scene is None or take is None or find(renderer, take, board) is not None:
        return
    prompt = take.conditioning.prompt if take.conditioning else scene.prompt
    finisher, media = renderer.finisher, renderer.media
    check_disk(media.folder)
    rate = drawn_rate(take.width, take.frames_per_second, board.story.film.rate)
    yield Made()
    _, began = finisher.upscaler, time.perf_counter()  # loaded before it counts
    draft = smoothed(read_frames(media, take), take.frames_per_second, rate)
    with temporary_folder() as folder:
        path = folder / "finished.mp4"
        height, width = yield from _written(path, finisher.frames(draft, prompt), rate, len(draft))
        made = FinishedClip(media.put_file(path), width, height, len(draft), rate)
    renderer.library.finished.add(take.clip, finisher.digest, made)
    seconds = time.perf_counter() - began
    renderer.library.job_store.add_timing(finisher.digest, DEVICE, False, _work(take, board), seconds)


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
