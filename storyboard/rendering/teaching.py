"""Teaching an entry of the cast as a job of the queue: it has progress and samples, can be cancelled, and goes on where
it stopped when it is asked for again, or when the program starts again.

While it is made no scene is rendered: both need the whole model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.errors import ThroughlineError

from ..document.cast.anchoring import name_places
from ..document.cast.edits import teach_entry
from ..document.cast.entries import CastEntry, CastPicture
from ..document.story import Story, canonical
from ..media import previews
from ..media.images import read_picture
from ..store.blobs import BlobStore
from ..store.library import Library
from ..store.room import check_disk
from .callers import caller_address
from .queue import Job, Made, Queue
from .takes import TakeMaker

if TYPE_CHECKING:  # they load torch
    from pipeline.adapters.teaching import Lesson, Still
    from pipeline.story_pipeline import StoryPipeline

KIND = ORDER = "teach"  # of a job; its scene is the id of an entry
FEWEST, MOST = 3, 8  # pictures, as `pipeline.adapters.teaching` has them
SAMPLE_EVERY, SAMPLE_STEPS = 40, 12  # steps of the teaching, and of a sample


class Rendering(Protocol):
    """As much of a `Renderer` as a teaching needs."""

    library: Library
    media: BlobStore
    model: str
    queue: Queue

    @property
    def maker(self) -> TakeMaker: ...
    def put_in_line(self, jobs: Sequence[Job]) -> None: ...


def pictures_to_teach(entry: CastEntry) -> list[CastPicture]:
    """The first pictures of an entry as usual, each with a caption that names it. Raises ThroughlineError for an entry
    that can't be taught by its pictures."""
    usual = [picture for picture in entry.pictures if not picture.state]
    if len(usual) < FEWEST:
        expected = f"expected {FEWEST} to {MOST} to teach, each with a caption of what it shows"
        raise ThroughlineError(f"cast entry {entry.name!r} has {len(usual)} pictures: {expected}")
    for picture in usual[:MOST]:
        if not name_places(entry, picture.caption):
            raise ThroughlineError(
                f"the caption {picture.caption[:60]!r} does not name {entry.name!r}: expected what the picture shows"
            )
    return usual[:MOST]


def teach_steps(
    pipeline: StoryPipeline, media: BlobStore, entry: CastEntry, story: Story
) -> Generator[Made, None, str]:
    """Yields the steps, with samples, and returns the digest of the file. What was learnt so far is kept in a file
    beside the media, so that another teaching of the same pictures goes on with it."""
    from pipeline.adapters.teaching import teach

    checkpoint = _checkpoint(media, entry, story)
    adapter = None
    for done in teach(pipeline, _lesson(pipeline, media, entry, story), checkpoint=checkpoint):
        sampled = done.step % SAMPLE_EVERY == 0
        yield Made(done.step, done.total, _sample(pipeline, entry, story) if sampled else "")
        adapter = done.adapter if done.step == done.total else None
    assert adapter is not None, "the last step ends a teaching"
    digest = media.put(adapter.to_bytes(), "safetensors")
    checkpoint.unlink(missing_ok=True)
    return digest


def kind_of(order: object) -> str:
    """Of a job that is begun again, by its order."""
    return KIND if order == ORDER else "scene"


def submit(renderer: Rendering, owner: str, story: Story, entry: CastEntry) -> None:
    """Puts the teaching of an entry in line. Raises ThroughlineError for one that is there or can't be taught."""
    pictures_to_teach(entry)
    job = job_of(renderer, owner, story.id, entry.id)
    if job and job.active:
        raise ThroughlineError(f"cast entry {entry.name!r} is being taught already: expected that it is waited for")
    renderer.put_in_line([Job(owner, story.id, entry.id, KIND, ORDER, address=caller_address())])


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
    maker, model, entry = renderer.maker, renderer.model, story.entry(job.scene)
    file = yield from teach_steps(maker.pipeline, renderer.media, entry, story)
    renderer.library.edit(job.owner, job.story, partial(_taught, entry=entry.id, file=file, model=model), "teach")


def _taught(story: Story, entry: str, file: str, model: str) -> Story:
    """Unless the entry is gone by now."""
    return teach_entry(story, entry, file, model) if story.has_entry(entry) else story


def _checkpoint(media: BlobStore, entry: CastEntry, story: Story) -> Path:
    about = [entry.name, story.width, story.height, *([p.file, p.caption] for p in pictures_to_teach(entry))]
    folder = media.folder.parent / "teaching"
    folder.mkdir(exist_ok=True)
    return folder / f"{hashlib.sha256(canonical(about)).hexdigest()}.checkpoint"


def _lesson(pipeline: StoryPipeline, media: BlobStore, entry: CastEntry, story: Story) -> Lesson:
    from pipeline.adapters.priors import priors_of
    from pipeline.adapters.teaching import Lesson

    stills = list(_stills(media, entry, story))
    return Lesson(entry.name, stills, priors_of(pipeline, entry.name, [still.prompt for still in stills]))


def _stills(media: BlobStore, entry: CastEntry, story: Story) -> Iterator[Still]:
    from pipeline.adapters.teaching import Still

    for picture in pictures_to_teach(entry):
        start, end = name_places(entry, picture.caption)[0]
        said = picture.caption[:start] + entry.name + picture.caption[end:]
        yield Still(said, _sized(read_picture(media.path(picture.file, "png")), story))


def _sized(picture: np.ndarray, story: Story) -> np.ndarray:
    """A picture, uint8 (H, W, 3), at the story's size."""
    from PIL import Image

    size = (story.width, story.height)
    if picture.shape[1::-1] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _sample(pipeline: StoryPipeline, entry: CastEntry, story: Story) -> str:
    """A clip of what was learnt, by the caption of the first picture."""
    prompt = pictures_to_teach(entry)[0].caption
    clip = pipeline(prompt, width=story.width, height=story.height, steps=SAMPLE_STEPS)
    return previews.moving(clip.frames, clip.frames_per_second)
