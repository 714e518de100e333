"""What leaves the studio: the film as MP4 or GIF, its clips, and the contact sheet.

Everything is made of a board and a function that gives the frames of a take, uint8 (F, H, W, 3). A film has the
story's shape and the highest rate of its takes, or the rate that the story asks for, to which frames are drawn in
between; takes of another shape are cut to it, never stretched, and takes of another rate last as long as they did.
Scenes without a take are left out of the film. Each file is there whole or not at all.

A story archive is in `storyboard.export.archive`, the composition of a film in `storyboard.film`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.errors import ThroughlineError

from ..document.cast.castings import castings_of, is_casting
from ..document.story import Board, Scene, Seam, Take
from ..film import subtitles
from ..film.cues import Cue, cues
from ..film.cut import Cut, cut_of
from ..media.fit import fitted
from ..media.sizes import good_scale
from ..media.temporary import temporary_folder
from ..media.video import SoundTrack, stream_clip, write_gif, write_video
from ..rendering.finishing.finisher import drawn_rate, smoothed
from ..store.blobs import BlobStore
from ..store.clips import read_frames, stream_frames
from ..store.files import file_name, whole_file
from ..store.finished import FinishedClip
from ..store.room import SPARE_TEMPORARY_BYTES, check_disk
from .archive import media_of, write_archive
from .archive_history import NOTHING, UndoHistory
from .contact_sheet import Panel, contact_sheet, sheet_pages

GIF_WIDTH = 432  # pixels, at most; a film of a minute takes about 5 MB
PDF_DOTS_PER_INCH = 150
PANEL_WIDTH = 480  # pixels: how wide a sheet needs a keyframe at most
MIXED_BYTES = 48_000 * 2 * 4  # a second of a mix; what it is made of takes half as much
FORMATS = ("mp4", "finished.mp4", "gif", "sheet.png", "sheet.pdf", "clips.zip", "story.zip", "srt", "vtt")


FramesOf = Callable[[Take], Iterable[np.ndarray]]  # of a take, uint8 (H, W, 3) one after the other
SoundOf = Callable[[str], Path]  # where the sound of a digest lies


def export(
    board: Board, media: BlobStore, format: str, whole: Callable[[], tuple[Board, UndoHistory]] | None = None,
    finished: Mapping[str, FinishedClip] | None = None,
) -> tuple[str, str]:  # fmt: skip
    """Makes one of FORMATS, keeps it among the media and gives its digest and suffix. whole: the board and its past,
    for a story archive. finished: the takes of the film, by id, for a finished one. Raises ThroughlineError, without
    beginning where there is no room."""
    if format not in FORMATS:
        raise ThroughlineError(f"format is {format!r}: expected one of {', '.join(FORMATS)}")

    def frames_of(take: Take) -> Iterable[np.ndarray]:
        return stream_frames(media, take)

    def sound_of(digest: str) -> Path:
        return media.path(digest, "m4a")

    def made(take: Take) -> np.ndarray:
        return read_frames(media, take)

    makers: dict[str, Callable[[Path], None]] = {
        "mp4": lambda path: film_mp4(path, *at_film_rate(board, frames_of, made), sound_of),
        "finished.mp4": lambda path: finished_mp4(path, board, media, finished or {}, sound_of),
        "gif": lambda path: film_gif(path, board, frames_of),
        "sheet.png": lambda path: sheet_png(path, board, frames_of),
        "sheet.pdf": lambda path: sheet_pdf(path, board, frames_of),
        "clips.zip": lambda path: clips_zip(path, board, frames_of, sound_of),
        "srt": lambda path: subtitle_file(path, board, subtitles.srt),
        "vtt": lambda path: subtitle_file(path, board, subtitles.vtt),
        "story.zip": lambda path: _story_zip(path, media, *(whole() if whole else (board, NOTHING))),
    }
    suffix = format.rpartition(".")[2]
    with temporary_folder() as folder:
        _check_room(board, media, folder)
        path = folder / f"export.{suffix}"
        makers[format](path)
        return media.put_file(path), suffix


def _check_room(board: Board, media: BlobStore, folder: Path) -> None:
    """An export takes about as much as all that a story shows: once where it is made, once where it is kept. The sound
    of a film is mixed where it is made."""
    needed, cut = media.bytes_of(media_of(board)), cut_of(board)
    decoded = sum(cue.seconds for cue in cues(cut, board.story.film))
    check_disk(folder, needed + round((decoded + cut.seconds * bool(decoded)) * MIXED_BYTES), SPARE_TEMPORARY_BYTES)
    check_disk(media.folder, needed)


def export_name(title: str, format: str) -> str:
    """What an export is called where it is saved: no two formats of a story share a name."""
    kind, _, suffix = format.rpartition(".")
    return file_name(f"{title} {kind}.{suffix}" if kind else f"{title}.{suffix}", f"story {kind or suffix}.{suffix}")


def _story_zip(path: Path, media: BlobStore, board: Board, past: UndoHistory) -> None:
    _draw_castings(media, board, past)
    write_archive(path, board, media.path, past)


def _draw_castings(media: BlobStore, board: Board, past: UndoHistory) -> None:
    """Writes what is lost of the castings that takes remember: the story, or a step of undo, says how to draw them."""
    made_from = [take.conditioning for take in board.takes.values() if take.conditioning]
    drawn = {memory.keyframe for made in made_from for memory in made.memories if is_casting(memory.scene)}
    lost = {keyframe for keyframe in drawn if keyframe and not media.holds((keyframe, "png"))}
    if not lost:
        return
    from ..rendering.takes import keep_castings

    for story in (board.story, *(step.story for step in past.steps)):
        found = (anchor for _, anchor in castings_of(replace(board, story=story)))
        keep_castings(media, (anchor for anchor in found if anchor.keyframe in lost))


# --- the film --------------------------------------------------------------------------------------------------------


def film_mp4(
    path: Path, board: Board, frames_of: FramesOf, sound_of: SoundOf | None = None, scale: int | None = None
) -> None:
    """The film, `scale` times as large as its takes (None: `good_scale`), with captions under the pictures and with
    sound if the story says so; None: silent.

    Raises ThroughlineError if no scene has a take, OSError if the file can't be written.
    """
    from ..film.mix import sound_track  # it loads moviepy

    cut, size = _some_cut(board).at(board.story.film.rate), film_size(board, scale)
    with temporary_folder() as folder, whole_file(path) as part:
        sound = sound_track(cut, board.story.film, sound_of, folder) if sound_of else None
        write_video(part, _film(board, cut, frames_of, size), cut.frames_per_second, sound=sound)


def finished_mp4(
    path: Path, board: Board, media: BlobStore, clips: Mapping[str, FinishedClip], sound_of: SoundOf | None = None
) -> None:
    """The film of finished clips, by the ids of their takes, as large as they are.

    Raises ThroughlineError where one is missing, and as `film_mp4` does.
    """
    takes, scale = dict(board.takes), 1
    for shot in _some_cut(board).shots:
        clip = clips.get(shot.take.id)
        if clip is None:
            raise ThroughlineError(f"scene {shot.number} is not finished: expected that it is, before the film")
        now = {"num_frames": clip.num_frames, "frames_per_second": clip.frames_per_second}
        takes[shot.take.id] = shot.take.model_copy(update=now)
        scale = max(scale, clip.width // shot.take.width)

    def frames_of(take: Take) -> Iterable[np.ndarray]:
        clip = clips[take.id]
        return stream_clip(media.path(clip.clip, "mp4"), clip.height, clip.width, clip.frames_per_second)

    film_mp4(path, replace(board, takes=takes), frames_of, sound_of, scale)


def at_film_rate(board: Board, frames_of: FramesOf, made: Callable[[Take], np.ndarray]) -> tuple[Board, FramesOf]:
    """A board whose takes have the film's rate, where pictures can be drawn between theirs, and how to get these.

    made: the frames of a take as it was made, uint8 (F, H, W, 3), from which others are drawn; `frames_of` may be
    larger.
    """
    own, takes = board.takes, dict[str, Take]()
    for name, take in own.items():
        rate = drawn_rate(take.width, take.frames_per_second, board.story.film.rate)
        count = max(1, round(take.num_frames * rate / take.frames_per_second))
        takes[name] = take.model_copy(update={"num_frames": count, "frames_per_second": rate})

    def drawn(take: Take) -> Iterable[np.ndarray]:
        before = own[take.id]
        if take.frames_per_second == before.frames_per_second:
            return frames_of(before)
        return smoothed(made(before), before.frames_per_second, take.frames_per_second)

    return replace(board, takes=takes), drawn


def film_gif(path: Path, board: Board, frames_of: FramesOf) -> None:
    """The same, at most GIF_WIDTH pixels wide. Raises as `film_mp4` does."""
    cut, (width, height) = _some_cut(board), film_size(board)
    narrow = min(width, GIF_WIDTH)
    size = (narrow, max(2, round(height * narrow / width)))
    with whole_file(path) as part:
        write_gif(part, lambda: _film(board, cut, frames_of, size), cut.frames_per_second)


def film_size(board: Board, scale: int | None = None) -> tuple[int, int]:
    """Width and height of the film's pictures, captions apart; both even, as H.264 wants them. scale: None for
    `good_scale`."""
    scale = scale or good_scale(board.story.width)
    return board.story.width * scale // 2 * 2, board.story.height * scale // 2 * 2


def _some_cut(board: Board) -> Cut:
    cut = cut_of(board)
    if not cut.shots:
        raise ThroughlineError(f"story {board.story.title!r} has no clip yet: expected at least one rendered scene")
    return cut


def _film(board: Board, cut: Cut, frames_of: FramesOf, size: tuple[int, int]) -> Iterator[np.ndarray]:
    from ..film.picture import film_frames  # it loads moviepy

    burnt_in = board.story.captions and board.story.film.captions == "burnt in"
    return film_frames(cut, frames_of, size, burnt_in)


def subtitle_file(path: Path, board: Board, written: Callable[[Cut], str]) -> None:
    """The captions of the film as text, whether or not the film itself has any. Raises as `film_mp4` does."""
    text = written(_some_cut(board))
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


# --- its clips -------------------------------------------------------------------------------------------------------


def clips_zip(path: Path, board: Board, frames_of: FramesOf, sound_of: SoundOf | None = None) -> None:
    """scene-01.mp4 and so on, numbered as in the story, whole, with their own sound, and prompts.txt.

    Raises as `film_mp4` does.
    """
    cut, size = _some_cut(board), film_size(board)
    digits = max(2, len(str(len(board.story.scenes))))
    with (
        temporary_folder() as folder,
        whole_file(path) as part,
        zipfile.ZipFile(part, "w") as bundle,  # stored: clips don't get smaller
    ):
        for shot in cut.shots:
            clip = folder / f"scene-{shot.number:0{digits}}.mp4"
            sound = _own_sound(shot.take, sound_of, folder) if sound_of else None
            frames = (fitted(frame, size) for frame in frames_of(shot.take))
            write_video(clip, frames, shot.take.frames_per_second, sound=sound)
            bundle.write(clip, clip.name)
            clip.unlink()
        bundle.writestr("prompts.txt", prompts_text(board, digits))


def _own_sound(take: Take, sound_of: SoundOf, folder: Path) -> SoundTrack | None:
    from ..film.mix import write_mix  # it loads moviepy

    if not take.sound:
        return None
    seconds = take.num_frames / take.frames_per_second
    mix = write_mix([Cue("clip", take.sound, 0.0, seconds)], sound_of, seconds, 0.0, folder)
    return SoundTrack(mix, seconds)


def prompts_text(board: Board, digits: int = 2) -> str:
    """The prompts of all scenes for reading, each under its number."""
    lines = [board.story.title, ""]
    for number, scene in enumerate(board.story.scenes, 1):
        has_clip = "" if board.chosen(scene) else " (no clip yet)"
        lines += [f"{number:0{digits}}{has_clip}", scene.prompt.strip(), ""]
        if scene.negative_prompt.strip():
            lines[-1:] = [f"Not: {scene.negative_prompt.strip()}", ""]
    return "\n".join(lines)


# --- the contact sheet -----------------------------------------------------------------------------------------------


def sheet_png(path: Path, board: Board, frames_of: FramesOf) -> None:
    """All scenes on one sheet, as tall as it takes. Raises OSError if the file can't be written."""
    with whole_file(path) as part:
        contact_sheet(board.story.title, facts(board), panels(board, frames_of)).save(part, "PNG")


def sheet_pdf(path: Path, board: Board, frames_of: FramesOf) -> None:
    """The same in pages of A4, across. Raises OSError if the file can't be written."""
    with whole_file(path) as part:
        pages = sheet_pages(board.story.title, facts(board), panels(board, frames_of))
        options = {"resolution": PDF_DOTS_PER_INCH, "quality": 92, "title": board.story.title}
        for index, page in enumerate(pages):  # one at a time: together they may take half a gigabyte
            page.save(part, "PDF", append=index > 0, **options)


def facts(board: Board) -> str:
    """What stands beside the title of a sheet."""
    cut, scenes = cut_of(board), len(board.story.scenes)
    counted = f"{scenes} scene{'' if scenes == 1 else 's'}"
    return f"{counted}, {cut.seconds:.1f} s" if cut.shots else counted


def panels(board: Board, frames_of: FramesOf) -> list[Panel]:
    """A panel a scene, in order; without a picture where there is no take."""
    marks, first, found = cut_of(board).marks, True, []
    for number, scene in enumerate(board.story.scenes, 1):
        mark = marks.get(scene.id)
        seam = _seam_words(scene.seam) if mark is not None and not first else ""
        first = first and mark is None
        found.append(Panel(number, scene.prompt, _keyframe(board, scene, frames_of), mark, seam))
    return found


def _seam_words(seam: Seam) -> str:
    return "" if seam.kind == "cut" else f"{seam.kind} {seam.seconds:g} s"


def _keyframe(board: Board, scene: Scene, frames_of: FramesOf) -> Image.Image | None:
    """The frame that stands for a scene's chosen take, cut to the story's shape."""
    take = board.chosen(scene)
    if take is None:
        return None
    own: Sequence[int] = [choice.index for choice in scene.keyframes if choice.take == take.id]
    wanted = own[0] if own else take.keyframe_index
    for frame in islice(frames_of(take), wanted + 1):
        shown = frame
    height = max(2, round(PANEL_WIDTH * board.story.height / board.story.width))
    return Image.fromarray(fitted(shown, (PANEL_WIDTH, height)))
