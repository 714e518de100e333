"""Every export by its name: the films, sheets and archives of `storyboard.export`, and what other programs open.

What a format needs is imported when it is asked for: the service starts without the libraries of all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.errors import ThroughlineError

from ..document.story import Board, Take
from ..export import film
from ..export.archive_history import UndoHistory
from ..export.film import FramesOf, checked_room
from ..media.temporary import temporary_folder
from ..store.blobs import BlobStore
from ..store.clips import read_frames

Maker = Callable[[Path, Board, FramesOf], None]


def _editors(kind: str) -> Maker:
    def make(path: Path, board: Board, frames_of: FramesOf) -> None:
        from .editors import editor_zip

        editor_zip(path, board, frames_of, kind)

    return make


MAKERS: dict[str, Maker] = {kind: _editors(kind) for kind in ("otio.zip", "fcp7.zip", "fcpxml.zip", "edl.zip")}
FORMATS = (*film.FORMATS, *MAKERS)
