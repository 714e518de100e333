"""What the studio does about the film of a story: its exports, its sound, and when what is shown.

Edits of the film are in `edits`, as all edits are.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from pipeline.errors import ThroughlineError

from ..document import edits
from ..export import archive_import
from ..film.cut import cut_of
from ..interchange import formats
from ..rendering.renderer import Renderer
from ..store.blobs import BlobStore
from ..store.clips import keep_sound_file
from ..store.library import Library
from ..store.schema import Head
from . import arguments as args
from . import inputs, views
from .arguments import Json, Owner, SceneId, StoryId
from .inputs import checked_owner
from .registry import for_page


class FilmOperations:
    """A part of `Studio`, which has these."""

    library: Library
    media: BlobStore
    renderer: Renderer

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
    def film(self, owner: Owner, story: StoryId, format: args.Format = "mp4") -> Json:
        """Writes an export of a story and gives where it is served."""
        board = self._head(owner, story).board
        whole = partial(archive_import.whole, self.library, owner, story, self.renderer.model)
        try:
            digest, suffix = formats.export(board, self.media, format, whole)
        except OSError as error:
            raise ThroughlineError(f"{format} of {board.story.title!r} can't be written: {error}") from error
        return views.export_view(digest, suffix, board.story.title, format)

    @for_page(slow=True)
    def export_story(self, owner: Owner, story: StoryId) -> Json:
        """A story with all its takes as one zip file, which import_story reads."""
        return self.film(owner, story, "story.zip")
