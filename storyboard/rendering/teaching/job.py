"""Teaching as a job of the queue: it has progress and samples, can be cancelled, and goes on where it stopped when it
is asked for again, or when the program starts again.

While it is made no scene is rendered: both need the whole model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from pipeline.errors import ThroughlineError

from ...document.cast.edits import teach_entry
from ...document.cast.entries import CastEntry
from ...document.story import Story, canonical
from ...media import previews
from ...store.blobs import BlobStore
from ...store.library import Library
from ...store.room import check_disk
from ..callers import caller_address
from ..jobs.job import Job, Made
from ..queue import Queue
from ..takes import TakeMaker
from .lesson import lesson_of, pictures_to_teach

KIND = ORDER = "teach"  # of a job; its scene is the id of an entry
SAMPLE_EVERY, SAMPLE_STEPS = 40, 12  # steps of the teaching, and of a sample


class Rendering(Protocol):
    """As much of a `Renderer` as a teaching needs."""

    library: Library
    media: BlobStore
    queue: Queue

    @property
    def maker(self) -> TakeMaker: ...
    def put_in_line(self, jobs: Sequence[Job]) -> None: ...


def teach_steps(maker: TakeMaker, entry: CastEntry, story: Story) -> Generator[Made, None, str]:
    """Yields the steps, with samples, and returns the digest of the file. What was learnt so far is kept in a file
    beside the media, so that another teaching of the same pictures goes on with it."""
    from pipeline.adapters.teaching import teach

    pipeline, media = maker.pipeline, maker.media
    checkpoint = _checkpoint(media, maker.encodings.model, entry, story)
    adapter = None
    for done in teach(pipeline, lesson_of(pipeline, media, entry, story), checkpoint=checkpoint):
        sampled = done.step % SAMPLE_EVERY == 0
        yield Made(done.step, done.total, _sample(maker, entry, story) if sampled else "")
        adapter = done.adapter if done.step == done.total else None
    assert adapter is not None, "the last step ends a teaching"
    digest = media.put(adapter.to_bytes(), "safetensors")
    checkpoint.unlink(missing_ok=True)
    return digest


def submit(renderer: Rendering, owner: str, story: Story, entry: CastEntry) -> None:
    """Puts the teaching of an entry in line. Raises ThroughlineError for one that is there or can't be taught."""
    pictures_to_teach(entry)
    job = job_of(renderer, owner, story.id, entry.id)
    if job and job.active:
        raise ThroughlineError(f"cast entry {entry.name!r} is being taught already: expected that it is waited for")
    renderer.put_in_line([Job(owner, story.id, entry.id, KIND, ORDER, address=caller_address())])


def refusal(entry: CastEntry) -> str:
    """Why an entry can't be taught by its pictures; "" if it can."""
    try:
        pictures_to_teach(entry)
    except ThroughlineError as error:
        return str(error)
    return ""


def job_of(renderer: Rendering, owner: str, story: str, entry: str) -> Job | None:
    """The last teaching of an entry since the app was started."""
    jobs = [job for job in renderer.queue.jobs(owner, story) if job.kind == KIND and job.scene == entry]
    return jobs[-1] if jobs else None


def make(renderer: Rendering, job: Job) -> Generator[Made, None, None]:
    """Does a job: at its end the entry holds what was taught, as a step of undo."""
    renderer.library.job_store.begin(job.saved)
    story = renderer.library.head(job.owner, job.story).board.story
    if not story.has_entry(job.scene):
        return
    check_disk(renderer.media.folder)
    maker, entry = renderer.maker, story.entry(job.scene)
    file = yield from maker.alone(teach_steps(maker, entry, story))
    change = partial(_taught, entry=entry.id, file=file, model=maker.encodings.model)
    renderer.library.edit(job.owner, job.story, change, "teach")


def _taught(story: Story, entry: str, file: str, model: str) -> Story:
    """Unless the entry is gone by now."""
    return teach_entry(story, entry, file, model) if story.has_entry(entry) else story


def _checkpoint(media: BlobStore, model: str, entry: CastEntry, story: Story) -> Path:
    about = [model, entry.name, story.width, story.height, *([p.file, p.caption] for p in pictures_to_teach(entry))]
    folder = media.folder.parent / "teaching"
    folder.mkdir(exist_ok=True)
    return folder / f"{hashlib.sha256(canonical(about)).hexdigest()}.checkpoint"


def _sample(maker: TakeMaker, entry: CastEntry, story: Story) -> str:
    """A clip of what was learnt, by the caption of the first picture."""
    from pipeline.adapters.wearing import followed

    prompt = pictures_to_teach(entry)[0].caption
    with followed(maker.pipeline, [entry.name]):
        clip = maker.pipeline(prompt, width=story.width, height=story.height, steps=SAMPLE_STEPS)
    return previews.moving(clip.frames, clip.frames_per_second)
