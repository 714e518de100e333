"""The film for editing programs: a timeline, and beside it the clips that it names, in one zip.

    otio.zip    film.otio     everything, with prompts, seeds and script in its metadata
    fcp7.zip    film.xml      Final Cut Pro 7 XML, for Premiere Pro, DaVinci Resolve and others
    fcpxml.zip  film.fcpxml   Final Cut Pro, DaVinci Resolve
    edl.zip     film.edl      CMX 3600, for all of them

Each has media/scene01.mp4 and so on: whole takes at the timeline's rate and the film's size, and README.txt. What each
format keeps is in `docs/interchange.md`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange
from PIL import Image, ImageOps

from ..document.story import Board, Take
from ..export.film import film_size
from ..media.temporary import temporary_folder
from ..media.video import write_video
from ..store.blobs import BlobStore
from ..store.clips import read_frames
from ..store.files import whole_file
from .fcpxml import fcpxml
from .timeline import OURS, Conformed, conformed, timeline_of

MEDIA = "media/"
README = """\
{title}

{file} is the film as a timeline of {rate} frames a second; its clips lie in the folder "media" beside it.
Unpack everything into one folder and import {file}. If the program asks where a clip is, show it
that folder: all are found by their names.
"""


def editor_zip(path: Path, board: Board, media: BlobStore, kind: str) -> None:
    """kind: one of WRITERS. Raises ThroughlineError for a story without a take, OSError if nothing can be written."""
    found, size = conformed(board), film_size(board)
    name, write = WRITERS[kind]
    text = write(timeline_of(board, MEDIA), size)
    with temporary_folder() as folder, whole_file(path) as part, zipfile.ZipFile(part, "w") as bundle:
        bundle.writestr(name, text, zipfile.ZIP_DEFLATED)
        bundle.writestr("README.txt", README.format(title=board.story.title, file=name, rate=found.rate))
        for shot, length in zip(found.cut.shots, found.lengths, strict=True):
            clip = folder / f"{found.name(shot)}.mp4"
            frames = read_frames(media, shot.take, enlarged=True)
            write_video(clip, conformed_frames(shot.take, frames, length, found, size), found.rate)
            bundle.write(clip, f"{MEDIA}{clip.name}")  # stored: clips don't get smaller
            clip.unlink()


def conformed_frames(
    take: Take, frames: np.ndarray, length: int, found: Conformed, size: tuple[int, int]
) -> Iterator[np.ndarray]:  # (H, W, 3)
    """The frames of a take at the film's size, each as often as the timeline's rate asks: `length` in all."""
    rate, last, shown = found.cut.frames_per_second, -1, frames[0]
    for index in range(length):
        place = min(int(index // found.factor * take.frames_per_second / rate + 1e-9), len(frames) - 1)
        if place != last:
            last, shown = place, _fitted(frames[place], size)
        yield shown


def _fitted(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if frame.shape[:2] == size[::-1]:
        return frame
    return np.asarray(ImageOps.fit(Image.fromarray(frame), size, Image.Resampling.LANCZOS))


# --- the four formats ------------------------------------------------------------------------------------------------


def write_otio(timeline: otio.schema.Timeline, size: tuple[int, int]) -> str:
    return str(timeline.to_json_string(indent=2))


def write_fcp7(timeline: otio.schema.Timeline, size: tuple[int, int]) -> str:
    """By the adapter, with the size of the pictures: programs guess one otherwise."""
    shape = {"samplecharacteristics": {"width": str(size[0]), "height": str(size[1]), "pixelaspectratio": "square"}}
    timeline.metadata["fcp_xml"] = {"media": {"video": {"format": shape}}}
    for clip in timeline.find_clips():
        clip.media_reference.metadata["fcp_xml"] = {"media": {"video": shape}}
    return str(otio.adapters.write_to_string(timeline, "fcp_xml"))


def write_edl(timeline: otio.schema.Timeline, size: tuple[int, int]) -> str:
    """By the adapter, which ignores where a timeline starts and loses black: an hour before it, and black as a clip of
    reel BL. Prompts are comments."""
    rate, track = timeline.duration().rate, timeline.tracks[0]
    for clip in timeline.find_clips():
        reel, comment = clip.media_reference.name.upper(), f"COMMENT: {clip.metadata[OURS]['prompt']}"
        clip.metadata["cmx_3600"] = {"reel": reel, "comments": [comment]}
        clip.name = f"{clip.name}.mp4"
        clip.markers.clear()
    for index, item in enumerate(track):
        if isinstance(item, otio.schema.Gap):
            track[index] = _black(item, track[index - 1])
    hour = TimeRange(RationalTime(0, rate), timeline.global_start_time)
    track.insert(0, otio.schema.Gap(source_range=hour))
    return str(otio.adapters.write_to_string(timeline, "cmx_3600", rate=rate))


def _black(gap: otio.schema.Gap, before: otio.core.Composable) -> otio.schema.Clip:
    """before: the clip before it, or the dissolve, which the adapter counts to the black."""
    fade = before.in_offset if isinstance(before, otio.schema.Transition) else RationalTime(0, gap.duration().rate)
    clip = otio.schema.Clip("Black", otio.schema.MissingReference(), TimeRange(fade, gap.duration()))
    clip.metadata["cmx_3600"] = {"reel": "BL"}
    return clip


WRITERS: dict[str, tuple[str, Callable[[otio.schema.Timeline, tuple[int, int]], str]]] = {
    "otio.zip": ("film.otio", write_otio),
    "fcp7.zip": ("film.xml", write_fcp7),
    "fcpxml.zip": ("film.fcpxml", fcpxml),
    "edl.zip": ("film.edl", write_edl),
}
