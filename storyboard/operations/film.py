"""What the studio does about the film of a story: its exports, its sound, when what is shown, and the pictures with
which scenes begin and end.

Edits of the film are in `edits`, as all edits are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ThroughlineError

from ..document import edits
from ..document.story import Board, ScenePicture, Take
from ..export import archive_import
from ..film.cut import cut_of
from ..interchange import formats
from ..media.fit import Fit, FitMode
from ..media.images import read_still
from ..rendering.finishing import job as finishing
from ..rendering.finishing.job import Wanted
from ..rendering.renderer import Renderer
from ..store.blobs import BlobStore
from ..store.clips import keep_picture, keep_sound_file, read_frames
from ..store.library import Library
from ..store.room import check_disk
from ..store.schema import Head
from . import arguments as args
from . import inputs, views
from .arguments import Json, Owner, SceneId, StoryId
from .edits import take_of
from .inputs import checked_owner
from .registry import for_page
from .waiting import waiting

FINISHED = "finished.mp4"


class FilmOperations:
    """A part of `Studio`, which has these."""

    library: Library
    media: BlobStore
    renderer: Renderer
    vocabulary: frozenset[str]  # words of the model's world; none for models without one

    def _head(self, owner: str, story: str) -> Head:
        return self.library.head(checked_owner(owner), story)

    def _shown(self, head: Head, **more: Any) -> Json:
        return {"story": views.story_view(head, self.renderer.known(head)), **more}

    @for_page()
    def timeline(self, owner: Owner, story: StoryId) -> Json:
        """What is in the film, from when on and for how long, with captions and sounds: as an export would have it."""
        board = self._head(owner, story).board
        return views.timeline_view(cut_of(board), board.story)

    @for_page(slow=True)
    def import_music(self, owner: Owner, story: StoryId, data: args.Upload, name: args.FileName = "music.mp3") -> Json:
        """A sound file, base64, as music under the whole film, instead of the music that it has."""
        with inputs.uploaded(data, name) as path:
            return self.music_file(owner, story, path)

    @for_page(slow=True)
    def import_voice(
        self, owner: Owner, story: StoryId, scene: SceneId, data: args.Upload, name: args.FileName = "voice.mp3"
    ) -> Json:
        """A sound file, base64, as the voice over a scene, instead of the voice that it has."""
        with inputs.uploaded(data, name) as path:
            return self.voice_file(owner, story, scene, path)

    def music_file(self, owner: str, story: str, path: Path) -> Json:
        """A file of this machine as music. Not for callers from outside."""
        self._head(owner, story)
        file, seconds = keep_sound_file(self.media, path)
        change = partial(edits.set_music, file=file, name=path.name[:200], seconds=seconds)
        return self._shown(self.library.edit(owner, story, change, "music"))

    def voice_file(self, owner: str, story: str, scene: str, path: Path) -> Json:
        """A file of this machine as the voice over a scene. Not for callers from outside."""
        self._head(owner, story).board.story.scene(scene)
        file, seconds = keep_sound_file(self.media, path)
        change = partial(edits.set_voice, scene_id=scene, file=file, name=path.name[:200], seconds=seconds)
        return self._shown(self.library.edit(owner, story, change, "voice"))

    @for_page(slow=True)
    def scene_picture(
        self, owner: Owner, story: StoryId, scene: SceneId, which: args.WhichPicture, data: args.Upload,
        name: args.FileName = "picture.png", fit: args.FitInto = "fill",
    ) -> Json:  # fmt: skip
        """A picture of your own, base64, with which a scene begins or ends."""
        with inputs.uploaded(data, name) as path:
            return self.scene_picture_file(owner, story, scene, which, path, fit)

    def scene_picture_file(
        self, owner: str, story: str, scene: str, which: edits.WhichPicture, path: Path, fit: FitMode
    ) -> Json:
        """A file of this machine as such a picture. Not for callers from outside."""
        now = self._head(owner, story).board.story
        now.scene(scene)
        picture = read_still(path, now.height, now.width, Fit(fit))
        return self._pictured(owner, story, scene, which, picture, path.name)

    @for_page(slow=True)
    def scene_picture_of_take(
        self, owner: Owner, story: StoryId, scene: SceneId, which: args.WhichPicture, source: args.PictureScene,
        frame: args.PictureFrame = -1, take: args.PictureTake = "",
    ) -> Json:  # fmt: skip
        """A frame of a take as the picture with which a scene begins or ends, such as the last one of another scene."""
        board = self._head(owner, story).board
        shown = take_of(board, source, take) if take else board.chosen(board.story.scene(source))
        if shown is None:
            raise ThroughlineError(f"scene {source!r} has no take to have a picture of: render it first")
        if frame >= shown.num_frames:
            raise ThroughlineError(f"frame {frame} is not in the clip: expected 0 to {shown.num_frames - 1}, or -1")
        named = "last frame" if frame in (-1, shown.num_frames - 1) else f"frame {frame + 1}"
        told = f"{named} of scene {board.story.index(source) + 1}"
        return self._pictured(owner, story, scene, which, read_frames(self.media, shown)[frame], told)

    def _pictured(
        self, owner: str, story: str, scene: str, which: edits.WhichPicture, picture: np.ndarray, source: str
    ) -> Json:
        """picture: uint8 (H, W, 3). Raises ThroughlineError for a model that can't begin or end with one."""
        limits = self.renderer.maker.pipeline.backbone.limits if self.renderer.loaded else None
        if not self.renderer.continues() or (which == "last" and limits and not limits.ends):
            expected = f"expected none, this model does not {'begin' if which == 'first' else 'end'} with a picture"
            raise ThroughlineError(f"a {which} picture is given: {expected}")
        check_disk(self.media.folder)
        kept = ScenePicture(file=keep_picture(self.media, picture), source=source[:200])
        change = partial(edits.set_picture, scene_id=scene, which=which, picture=kept)
        return self._shown(self.library.edit(owner, story, change, f"{which} picture"))

    @for_page()
    def finish(self, owner: Owner, story: StoryId, scenes: args.FinishedScenes = None) -> Json:
        """Puts clips in line to be finished, and tells how that goes: those that are in the film, or the chosen ones of
        these scenes. What is finished already is not made again."""
        board = self._head(owner, story).board
        finishing.submit(self.renderer, owner, board, _to_finish(board, scenes))
        return self.finishing(owner, story, scenes)

    @for_page(often=True)
    def finishing(self, owner: Owner, story: StoryId, scenes: args.FinishedScenes = None) -> Json:
        """How the same clips are finished: which are, what is in line, and about how long the rest takes."""
        board = self._head(owner, story).board
        takes = _to_finish(board, scenes)
        jobs = finishing.jobs_of(self.renderer, owner, story)
        found = [(one, finishing.find(self.renderer, one)) for one in (Wanted.of(board, take) for take in takes)]
        seconds = finishing.seconds_for(self.renderer, [one for one, clip in found if clip is None], jobs)
        about = {"seconds": seconds, "refused": finishing.refusal(self.renderer, takes)}
        return {"finishing": views.finishing_view(board, found, jobs, self.renderer.queue.positions()) | about}

    @for_page()
    def finish_cancel(self, owner: Owner, story: StoryId, scenes: args.FinishedScenes = None) -> Json:
        """Stops finishing, of these scenes or of all. What is finished stays."""
        self._head(owner, story)
        self.renderer.queue.cancel(owner, story, scenes, kind=finishing.KIND)
        return self.finishing(owner, story, scenes)

    def finish_steps(self, owner: str, story: str, scenes: Sequence[str] | None = None) -> Iterator[Json]:
        """`finish`, and then how it goes at every change until it is over, with what is chosen meanwhile. Never waits:
        {} where a caller may. Raises ThroughlineError for a clip that could not be finished, once the others are."""
        now = self.finish(owner, story, scenes)
        yield now
        while now["finishing"]["active"] and not self.renderer.queue.closed:
            yield {}
            before, now = now, self.finishing(owner, story, scenes)
            if any(scene["state"] == "draft" for scene in now["finishing"]["scenes"]):
                now = self.finish(owner, story, scenes)  # another take or another rate since
            if now != before:
                yield now
        for scene in now["finishing"]["scenes"]:
            if scene["state"] != "finished":
                raise ThroughlineError(f"scene {scene['number']} is not finished: {scene['error'] or scene['state']}")

    @for_page(slow=True)
    def film(self, owner: Owner, story: StoryId, format: args.Format = "mp4") -> Json:
        """Writes an export of a story and gives where it is served. A finished film waits until its clips are."""
        if format == FINISHED:
            for _ in waiting(self.finish_steps(owner, story)):
                pass
        board = self._head(owner, story).board
        takes = _to_finish(board, None) if format == FINISHED else []
        found = ((take.id, finishing.find(self.renderer, Wanted.of(board, take))) for take in takes)
        done = {take: clip for take, clip in found if clip}
        whole = partial(archive_import.whole, self.library, owner, story, self.renderer.model)
        try:
            digest, suffix = formats.export(board, self.media, format, whole, done)
        except OSError as error:
            raise ThroughlineError(f"{format} of {board.story.title!r} can't be written: {error}") from error
        return views.export_view(digest, suffix, board.story.title, format)

    @for_page(slow=True)
    def export_story(self, owner: Owner, story: StoryId) -> Json:
        """A story with all its takes as one zip file, which import_story reads."""
        return self.film(owner, story, "story.zip")


def _to_finish(board: Board, scenes: Sequence[str] | None) -> list[Take]:
    """The takes that are in the film, or the chosen ones of some scenes. Raises ThroughlineError for scenes that do not
    exist or have none."""
    if scenes is None:
        return [shot.take for shot in cut_of(board).shots]
    takes = []
    for scene in map(board.story.scene, dict.fromkeys(scenes)):
        take = board.chosen(scene)
        if take is None:
            number = board.story.index(scene.id) + 1
            raise ThroughlineError(f"scene {number} has no take to finish: expected that it is rendered first")
        takes.append(take)
    return takes
