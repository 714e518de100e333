"""Story archives out of and into a library: with what undo and redo go through, and the models that were used.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from pathlib import Path

from ..document.story import Board
from ..store.blobs import BlobStore
from ..store.library import Library
from ..store.room import check_disk
from ..store.schema import Head
from .archive import open_archive, renewed
from .archive_history import UndoHistory, UndoStep, about_weights, named


def whole(library: Library, owner: str, story: str, model: str) -> tuple[Board, UndoHistory]:
    """All that an archive tells of a story. model: digest of the weights that are in use."""
    board, revisions, present = library.revisions(owner, story)
    return board, UndoHistory(tuple(UndoStep(label=r.label[:400], story=r.story) for r in revisions), present, (model,))


def bring(library: Library, media: BlobStore, owner: str, path: Path, model: str) -> tuple[Head, str]:
    """Keeps the story of an archive as a new one; gives it and what the user should know about its weights. Raises
    ThroughlineError for what is no archive, or for no room: nothing of it is kept then."""
    found = open_archive(path)
    check_disk(media.folder, sum(map(len, found.files.values())))
    for (_, suffix), content in found.files.items():
        media.put(content, suffix)
    board = renewed(found.board)
    revisions = named(found.past, board.story.id).revisions
    head = library.create(owner, board.story, board.takes.values(), revisions, found.past.present)
    return head, about_weights(found.past, model)
