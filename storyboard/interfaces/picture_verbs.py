"""What programs can do about the pictures with which scenes begin and end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ThroughlineError

from ..operations.arguments import (
    FitInto,
    Json,
    Owner,
    PictureData,
    PictureFile,
    PictureFrame,
    PictureScene,
    PictureTake,
    SceneId,
    StoryId,
    WhichPicture,
)
from ..operations.registry import for_programs

if TYPE_CHECKING:  # it loads what --help need not wait for
    from ..studio import Studio


def picture_file(
    studio: Studio, owner: Owner, story: StoryId, scene: SceneId, which: WhichPicture, picture: PictureFile,
    fit: FitInto = "fill",
) -> Json:  # fmt: skip
    """A picture with which a scene begins or ends, a file."""
    if not Path(picture).is_file():
        raise ThroughlineError(f"picture {picture!r} does not exist: expected a file")
    return studio.scene_picture_file(owner, story, scene, which, Path(picture), fit)


@for_programs(shell=picture_file)
def scene_picture(
    studio: Studio, owner: Owner, story: StoryId, scene: SceneId, which: WhichPicture, picture: PictureData,
    fit: FitInto = "fill",
) -> Json:  # fmt: skip
    """A picture of your own, in base64, with which a scene begins or ends. A shell gives the path of the file
    instead."""
    return studio.scene_picture(owner, story, scene, which, picture, fit=fit)


@for_programs()
def scene_picture_of_take(
    studio: Studio, owner: Owner, story: StoryId, scene: SceneId, which: WhichPicture, source: PictureScene,
    frame: PictureFrame = -1, take: PictureTake = "",
) -> Json:  # fmt: skip
    """A frame of a take as the picture with which a scene begins or ends, such as the last one of another scene."""
    return studio.scene_picture_of_take(owner, story, scene, which, source, frame=frame, take=take)
