"""What programs can do with casts, beside the edits of the registry: `python -m storyboard cast list`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ThroughlineError

from ..continuity.table import entry_table
from ..operations import cast_edits  # noqa: F401  they are verbs as they are
from ..operations.arguments import (
    CastName,
    CastStory,
    EntryId,
    EntryOrName,
    FitInto,
    Json,
    KeepFrame,
    KeepRegion,
    KeepWord,
    Owner,
    PictureData,
    PictureFile,
    PictureSays,
    PictureState,
    SceneId,
    StoryId,
)
from ..operations.registry import for_programs
from ..operations.waiting import waiting

if TYPE_CHECKING:  # it loads what --help need not wait for
    from ..studio import Studio


@for_programs()
def cast_list(studio: Studio, owner: Owner, story: CastStory = "") -> Json:
    """The cast of a story, where each of it appears, and who of its script is not in it yet; or your own cast."""
    return studio.cast(owner, story)


@for_programs()
def cast_use(studio: Studio, owner: Owner, story: StoryId, entry: EntryId) -> Json:
    """Takes an entry of your own cast into a story, as it is there now."""
    return studio.cast_use(owner, story, entry)


@for_programs()
def cast_share(studio: Studio, owner: Owner, story: StoryId, entry: EntryId) -> Json:
    """Puts an entry, as a story has it, into your own cast, and so into all stories that use it."""
    return studio.cast_share(owner, story, entry)


@for_programs()
def cast_keep(
    studio: Studio,
    owner: Owner,
    story: StoryId,
    scene: SceneId,
    entry: EntryOrName,
    region: KeepRegion = "whole",
    frame: KeepFrame = -1,
    word: KeepWord = "",
) -> Json:
    """Keeps what the chosen take of a scene shows as a picture of an entry, or of a new one of that name."""
    return studio.cast_keep(owner, story, scene, entry, region=region, frame=frame, word=word)


@for_programs()
def cast_adopt(studio: Studio, owner: Owner, story: StoryId, name: CastName) -> Json:
    """Makes somebody whom the model cast an entry of the cast, with that picture. Scenes stay as they are."""
    return studio.cast_adopt(owner, story, name)


def teach_steps(studio: Studio, owner: Owner, story: StoryId, entry: EntryId) -> Iterator[Json]:
    """As `cast_teach`, but it never waits: {} where nothing is new."""
    for news in studio.teach_steps(owner, story, entry):
        told = news and {"teaching": {**news["teaching"], "preview": ""}}  # pictures are for pages
        yield told
        if told and told["teaching"]["state"] == "failed":
            raise ThroughlineError(told["teaching"]["error"])


@for_programs(steps=teach_steps)
def cast_teach(studio: Studio, owner: Owner, story: StoryId, entry: EntryId) -> Iterator[Json]:
    """Teaches the model an entry of the cast by its pictures, three or more, each with a caption that names it, and
    tells how it goes until it is over. Scenes that name the entry are made with it from then on."""
    yield from waiting(teach_steps(studio, owner, story, entry))


@for_programs()
def cast_teach_cancel(studio: Studio, owner: Owner, story: StoryId, entry: EntryId) -> Json:
    """Stops the teaching of an entry; asked for again, it goes on where it stopped."""
    return studio.cast_teach_cancel(owner, story, entry)


@for_programs(table=entry_table)
def cast_meter(studio: Studio, owner: Owner, story: StoryId, entry: EntryId) -> Json:
    """How an entry of the cast holds over a story: what each rendered scene that names it shows, held against its
    picture. Waits until all of it is measured."""
    return studio.cast_meter(owner, story, entry, patience=None)


def picture_file(
    studio: Studio, owner: Owner, story: StoryId, entry: EntryOrName, picture: PictureFile,
    caption: PictureSays = "", state: PictureState = "", fit: FitInto = "fill",
) -> Json:  # fmt: skip
    """A picture of your own for an entry, or for a new one of that name, a file."""
    if not Path(picture).is_file():
        raise ThroughlineError(f"picture {picture!r} does not exist: expected a file")
    return studio.cast_picture_file(owner, story, entry, Path(picture), caption, state, fit)


@for_programs(shell=picture_file)
def cast_picture(
    studio: Studio, owner: Owner, story: StoryId, entry: EntryOrName, picture: PictureData,
    caption: PictureSays = "", state: PictureState = "", fit: FitInto = "fill",
) -> Json:  # fmt: skip
    """A picture of your own, a photograph too, for an entry, or for a new one of that name, in base64. A shell gives
    the path of the file instead."""
    return studio.cast_picture(owner, story, entry, picture, caption=caption, state=state, fit=fit)
