"""The film for editing programs: a timeline, and beside it the clips that it names, in one zip.

    otio.zip    film.otio     everything, with prompts, seeds and script in its metadata
    fcp7.zip    film.xml      Final Cut Pro 7 XML, for Premiere Pro, DaVinci Resolve and others
    fcpxml.zip  film.fcpxml   Final Cut Pro, DaVinci Resolve
    edl.zip     film.edl      CMX 3600, for all of them

Each has media/scene01.mp4 and so on, what of each take is in the film, at the timeline's rate and the film's size;
cards as media/title.mp4 and media/end.mp4; and README.txt. What each format keeps is in `docs/interchange.md`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from ..document.story import Board
from ..export.film import FramesOf, film_size
from ..film.captions import card_picture
from ..film.cut import FilmCard, FilmScene
from ..media.fit import fitted
from ..media.temporary import temporary_folder
from ..media.video import write_video
from ..store.blobs import BlobStore
from ..store.clips import stream_frames
from ..store.files import whole_file
from .fcpxml import fcpxml
from .timeline import OURS, Conformed, conformed, timeline_of

NEARLY = 1e-6  # of a frame: by how much times may be off
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
    with temporary_folder() as folder, whole_file(path) as whole, zipfile.ZipFile(whole, "w") as bundle:
        bundle.writestr(name, text, zipfile.ZIP_DEFLATED)
        bundle.writestr("README.txt", README.format(title=board.story.title, file=name, rate=found.rate))
        for part in found.cut.parts:
            clip = folder / f"{found.name(part)}.mp4"
            write_video(clip, part_frames(part, lambda take: stream_frames(media, take), found, size), found.rate)
            bundle.write(clip, f"{MEDIA}{clip.name}")  # stored: clips don't get smaller
            clip.unlink()


def part_frames(
    part: FilmScene | FilmCard, frames_of: FramesOf, found: Conformed, size: tuple[int, int]
) -> Iterator[np.ndarray]:  # (H, W, 3)
    """The frames of a part of the film, each as often as the timeline's rate asks."""
    rate = found.cut.frames_per_second
    if isinstance(part, FilmCard):
        yield from repeat(card_picture(part.card.text, size), part.length(rate) * found.factor)
        return
    for frame in _moving(part, frames_of, rate):
        yield from repeat(fitted(frame, size), found.factor)


def _moving(shot: FilmScene, frames_of: FramesOf, rate: float) -> Iterator[np.ndarray]:  # (H, W, 3)
    """The frames of a take that are used, at their speed, the last one for as long as it is asked for."""
    reader, place = iter(frames_of(shot.take)), -1
    frame: np.ndarray | None = None
    last, speed = shot.used.first + shot.used.frames - 1, shot.scene.shot.speed * shot.take.frames_per_second
    for index in range(shot.length(rate)):
        wanted = min(shot.used.first + int(index / rate * speed + NEARLY), last)
        while place < wanted and (read := next(reader, None)) is not None:
            place, frame = place + 1, read
        assert frame is not None, "a take has at least one frame"
        yield frame


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
