"""The samples that come with the program: archives of rendered stories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.errors import ThroughlineError

from ..store.blobs import BlobStore, media_url
from ..store.schema import summary
from . import archive


class SampleStories:
    """folder: of story archives; None for none."""

    def __init__(self, folder: Path | None, media: BlobStore) -> None:
        self._folder, self._media = folder, media
        self._known: dict[str, dict[str, Any]] = {}  # by name

    def samples(self) -> list[dict[str, Any]]:
        """What the page lists of them; each is read once."""
        return [self._sample(path) for path in self._files()]

    def path(self, name: str) -> Path:
        """Raises ThroughlineError if there is no such sample."""
        for path in self._files():
            if path.stem == name:
                return path
        raise ThroughlineError(f"sample {name!r} does not exist")

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.zip")) if self._folder else []

    def _sample(self, path: Path) -> dict[str, Any]:
        if path.stem not in self._known:
            board, files = archive.read_archive(path)
            title, scenes, poster, _ = summary(board)
            picture = media_url(self._media.put(files[poster, "png"], "png"), "png") if poster else None
            self._known[path.stem] = {"name": path.stem, "title": title, "scenes": scenes, "poster": picture}
        return self._known[path.stem]
