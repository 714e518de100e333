"""What an entry of the cast is taught from: its pictures as usual, each with what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ThroughlineError

from ...document.cast.anchoring import name_places
from ...document.cast.entries import CastEntry, CastPicture
from ...document.story import Story
from ...media.images import read_picture
from ...store.blobs import BlobStore

if TYPE_CHECKING:  # they load torch
    from pipeline.adapters.teaching import Lesson, Still
    from pipeline.story_pipeline import StoryPipeline

FEWEST, MOST = 3, 8  # pictures, as `pipeline.adapters.teaching` has them


def pictures_to_teach(entry: CastEntry) -> list[CastPicture]:
    """The first pictures of an entry as usual, each with a caption that names it. Raises ThroughlineError for an entry
    that can't be taught by its pictures."""
    usual = [picture for picture in entry.pictures if not picture.state]
    if len(usual) < FEWEST:
        expected = f"expected {FEWEST} to {MOST} to teach, each with a caption of what it shows"
        has = "1 picture" if len(usual) == 1 else f"{len(usual)} pictures"
        raise ThroughlineError(f"cast entry {entry.name!r} has {has}: {expected}")
    for picture in usual[:MOST]:
        if not name_places(entry, picture.caption):
            raise ThroughlineError(
                f"the caption {picture.caption[:60]!r} does not name {entry.name!r}: expected what the picture shows"
            )
    return usual[:MOST]


def lesson_of(pipeline: StoryPipeline, media: BlobStore, entry: CastEntry, story: Story) -> Lesson:
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
