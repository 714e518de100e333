"""The film that the command line makes from prompts: the same composition as for stories, over scenes in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..document import edits
from ..document.story import Board, Take
from ..film import subtitles
from ..film.cut import cut_of
from ..media.images import is_picture
from ..media.sound import keep_sound, keep_upload
from ..media.temporary import temporary_folder
from ..media.video import write_video

if TYPE_CHECKING:  # it loads torch, which checking options need not wait for
    import numpy as np

    from ..rendering.film import SceneDone

Kept = tuple[str, float]  # digest and seconds
NOWHERE = "0" * 64  # digest of files that are not kept


@dataclass(frozen=True)
class Extras:
    """What a film has besides its scenes. Sounds are digests; `files` says where they lie."""

    film: Mapping[str, Any] = field(default_factory=dict)  # fields of `FilmSettings`, in part
    seams: tuple[str, ...] = ()  # of each scene but the first; none for cuts
    seam_seconds: float = 0.5
    captions: tuple[str, ...] | None = None  # lines of the first scenes, prompts for the others; None: no captions
    music: Kept | None = None
    voices: tuple[Kept | None, ...] = ()  # of the first scenes
    own: tuple[str | None, ...] = ()  # what clips of the user's own brought along
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def has_words(self) -> bool:
        """In the picture."""
        cards = any(self.film.get(name, {}).get("text", "").strip() for name in ("title", "end"))
        return cards or (self.captions is not None and self.film.get("captions") != "beside")


class Sounds:
    """Sound files as a film has them, in a folder that is there for as long as they are needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: dict[str, Path] = {}

    def keep(self, path: Path) -> Kept:
        """Raises ThroughlineError for what has no sound that can be read."""
        target = self._target()
        return self._named(target, keep_upload(path, target))

    def of_clip(self, path: Path) -> str | None:
        """What a clip or a picture brought along."""
        target = self._target()
        return self._named(target, 0.0)[0] if not is_picture(path) and keep_sound(path, target) else None

    def _target(self) -> Path:
        return self._folder / f"{len(self.files)}.m4a"

    def _named(self, target: Path, seconds: float) -> Kept:
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        self.files[digest] = target
        return digest, seconds


def write_film(
    path: Path, scenes: Sequence[SceneDone], frames_per_second: float, scale: int, extras: Extras = Extras(),
    finished: Callable[[SceneDone], Iterable[np.ndarray]] | None = None,
) -> None:  # fmt: skip
    """The scenes, frames at the given rate, in one file, and `path` with .srt and .vtt beside it if captions are to be
    there. finished: the frames of a scene, `scale` times as large, where they are finished.

    Words are drawn at the size in which the film is seen; without any, pictures are enlarged on the way into the file.
    Raises ThroughlineError for a sound that can't be decoded, OSError if a file can't be written.
    """
    from ..film.mix import sound_track  # they load moviepy
    from ..film.picture import film_frames

    board = board_of(scenes, frames_per_second, extras)
    cut, (height, width) = cut_of(board).at(board.story.film.rate), scenes[0].frames.shape[1:3]
    larger = scale if extras.has_words or finished else 1
    burnt_in = board.story.captions and board.story.film.captions == "burnt in"
    made = {str(scene.scene): scene for scene in scenes}
    frames_of = finished or (lambda scene: scene.frames)
    frames = film_frames(cut, lambda take: frames_of(made[take.id]), (width * larger, height * larger), burnt_in)
    with temporary_folder() as folder:
        sound = sound_track(cut, board.story.film, extras.files.__getitem__, folder)
        write_video(path, frames, cut.frames_per_second, scale // larger, sound)
    if board.story.captions and not burnt_in:
        path.with_suffix(".srt").write_text(subtitles.srt(cut), encoding="utf-8", newline="\n")
        path.with_suffix(".vtt").write_text(subtitles.vtt(cut), encoding="utf-8", newline="\n")


def board_of(scenes: Sequence[SceneDone], frames_per_second: float, extras: Extras) -> Board:
    """Scene k has take "k"; its files are nowhere."""
    story = edits.new_story("Film", [scene.prompt for scene in scenes], captions=extras.captions is not None)
    takes = {}
    for place, (made, scene) in enumerate(zip(scenes, story.scenes, strict=True)):
        take = _take(made, scene.id, frames_per_second, _at(extras.own, place))
        takes[take.id] = take
        seam = {"kind": _at(("cut", *extras.seams), place) or "cut", "seconds": extras.seam_seconds}
        story = edits.edit_scene(edits.choose_take(story, scene.id, take.id), scene.id, seam=seam)
        if (line := _at(extras.captions or (), place)) is not None:
            story = edits.edit_shot(story, scene.id, caption=line)
        if voice := _at(extras.voices, place):
            story = edits.set_voice(story, scene.id, voice[0], "", voice[1])
    story = edits.set_music(story, extras.music[0], "", extras.music[1]) if extras.music else story
    return Board(edits.edit_film(story, **extras.film), takes)


def _take(made: SceneDone, scene: str, frames_per_second: float, sound: str | None) -> Take:
    count, height, width, _ = made.frames.shape
    return Take(
        id=str(made.scene), scene=scene, clip=NOWHERE, preview=NOWHERE, keyframe=NOWHERE, keyframe_index=0,
        num_frames=count, width=width, height=height, frames_per_second=frames_per_second, sound=sound,
    )  # fmt: skip


def _at(items: Sequence[Any], place: int) -> Any:
    return items[place] if place < len(items) else None
