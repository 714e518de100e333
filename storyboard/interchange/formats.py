"""Every export by its name: the films, sheets and archives of `storyboard.export`, and what other programs open.

What a format needs is imported when it is asked for: the service starts without the libraries of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from pipeline.errors import ThroughlineError

from ..document.story import Board
from ..export import film
from ..export.archive import media_of
from ..export.archive_history import UndoHistory
from ..media.temporary import temporary_folder
from ..store.blobs import BlobStore
from ..store.finished import FinishedClip
from ..store.room import SPARE_TEMPORARY_BYTES, check_disk
from .format_names import FORMATS

Maker = Callable[[Path, Board, BlobStore], None]


def _editors(kind: str, path: Path, board: Board, media: BlobStore) -> None:
    from .editors import editor_zip

    editor_zip(path, board, media, kind)


def _shots(path: Path, board: Board, media: BlobStore) -> None:
    from .shot_list import shots_csv

    shots_csv(path, board)


def _sheet(path: Path, board: Board, media: BlobStore) -> None:
    from .board_pdf import LANDSCAPE, board_pdf

    board_pdf(path, board, media, LANDSCAPE)


def _konte(path: Path, board: Board, media: BlobStore) -> None:
    from .board_pdf import KONTE, board_pdf

    board_pdf(path, board, media, KONTE)


def _page(path: Path, board: Board, media: BlobStore) -> None:
    from .share_page import share_page

    share_page(path, board, media)


MAKERS: dict[str, Maker] = {
    **{name: partial(_editors, name) for name in ("otio.zip", "fcp7.zip", "fcpxml.zip", "edl.zip")},
    "shots.csv": _shots,
    "board.pdf": _sheet,
    "ekonte.pdf": _konte,
    "page.html": _page,
}


def export(
    board: Board, media: BlobStore, format: str, whole: Callable[[], tuple[Board, UndoHistory]] | None = None,
    finished: Mapping[str, FinishedClip] | None = None,
) -> tuple[str, str]:  # fmt: skip
    """Makes one of FORMATS, keeps it among the media and gives its digest and suffix. whole, finished: as
    `film.export` has them. Raises ThroughlineError, without beginning where there is no room."""
    if format not in FORMATS:
        raise ThroughlineError(f"format is {format!r}: expected one of {', '.join(FORMATS)}")
    if format not in MAKERS:
        return film.export(board, media, format, whole, finished)
    suffix = format.rpartition(".")[2]
    with temporary_folder() as folder:
        needed = media.bytes_of(media_of(board))  # an export takes about as much as all that a story shows
        check_disk(folder, needed, SPARE_TEMPORARY_BYTES)
        check_disk(media.folder, needed)
        path = folder / f"export.{suffix}"
        MAKERS[format](path, board, media)
        return media.put_file(path), suffix
