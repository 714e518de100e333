"""The files of a take: its clip, its preview and its keyframe, written from frames and read back as frames.

Does not cover: how a take is rendered (`storyboard.rendering.takes`), how a video file is coded (`storyboard.media`).
"""

from __future__ import annotations

import io
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import ThroughlineError

from ..document.story import Story, Take, new_id
from ..media import previews, video
from ..media.fit import FIT, Fit, fitted
from ..media.images import is_picture, read_picture
from ..media.importing import read_any
from ..media.sizes import good_scale
from ..media.sound import keep_sound, keep_upload
from ..media.temporary import temporary_folder
from .blobs import BlobStore
from .room import check_disk

MOST_FRAMES = 960  # of an imported clip: two minutes at 8 a second


def keep_frames(media: BlobStore, frames: np.ndarray, rate: float) -> dict[str, Any]:
    """Writes clip, preview and keyframe of frames, uint8 (F, H, W, 3), and gives the fields of a take about them."""
    count, height, width, _ = frames.shape
    index = count // 2
    with temporary_folder() as folder:
        path = folder / "clip.mp4"
        video.write_video(path, frames, rate, good_scale(width))
        clip = media.put_file(path)
    return {
        "clip": clip,
        "preview": media.put(previews.moving_bytes(frames, rate, quality=80), "webp"),
        "keyframe": keep_picture(media, frames[index]),
        "keyframe_index": index,
        "num_frames": count,
        "width": width,
        "height": height,
        "frames_per_second": rate,
    }


def keep_picture(media: BlobStore, picture: np.ndarray) -> str:
    """Writes a picture, uint8 (H, W, 3), as a PNG and gives its digest."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return media.put(file.getvalue(), "png")


def read_kept_picture(media: BlobStore, file: str) -> np.ndarray:
    """What `keep_picture` kept, uint8 (H, W, 3)."""
    return read_picture(media.path(file, "png"))


def read_end(media: BlobStore, file: str | None, story: Story) -> np.ndarray | None:
    """The same as a clip of one frame, uint8 (1, H, W, 3), of the story's size; None for none."""
    return None if file is None else fitted(read_kept_picture(media, file), (story.width, story.height))[None]


def read_frames(media: BlobStore, take: Take) -> np.ndarray:
    """The frames of a take, uint8 (F, H, W, 3), at the size in which it was made."""
    return video.read_clip(media.path(take.clip, "mp4"), take.height, take.width, take.frames_per_second)


def stream_frames(media: BlobStore, take: Take) -> Generator[np.ndarray, None, None]:  # (H, W, 3)
    """The frames of a take one after another, at the size in which it is shown; none is kept."""
    path, scale = media.path(take.clip, "mp4"), good_scale(take.width)
    return video.stream_clip(path, take.height * scale, take.width * scale, take.frames_per_second)


def imported_take(media: BlobStore, story: Story, scene: str, path: Path, rate: float, fit: Fit = FIT) -> Take:
    """A take of a scene made of a user's own clip, or of a picture that lasts as long as the scene would.

    Raises ThroughlineError for what is neither, for a scene that does not exist, and for no room.
    """
    wanted = story.scene(scene)
    check_disk(media.folder)
    frames = read_any(path, story.height, story.width, rate, wanted.num_frames, fit)
    if len(frames) > MOST_FRAMES:
        count = f"{len(frames)} frames at {rate:g} a second"
        raise ThroughlineError(f"clip {path.name!r} has {count}: at most {MOST_FRAMES}")
    files = keep_frames(media, frames, rate)
    files["sound"] = _kept_sound(media, path)
    note = path.name[:200]
    return Take(id=new_id(), scene=wanted.id, source="imported", **files, created=time.time(), note=note)


def keep_sound_file(media: BlobStore, path: Path) -> tuple[str, float]:
    """The digest and the seconds of a user's own sound, as it is kept. Raises ThroughlineError for what is none, and
    for no room."""
    check_disk(media.folder)
    with temporary_folder() as folder:
        kept = folder / "sound.m4a"
        seconds = keep_upload(path, kept)
        return media.put_file(kept), seconds


def _kept_sound(media: BlobStore, clip: Path) -> str | None:
    """The digest of a clip's sound, if it has one."""
    if is_picture(clip):
        return None
    with temporary_folder() as folder:
        path = folder / "sound.m4a"
        return media.put_file(path) if keep_sound(clip, path) else None
