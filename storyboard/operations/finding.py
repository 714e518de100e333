"""What the studio does about finding something in a film."""

from __future__ import annotations

from dataclasses import asdict

from ..finding.finder import Finder
from ..media.previews import moving_bytes, with_boxes
from ..store.blobs import BlobStore, media_url
from ..store.clips import read_frames
from ..store.library import Library
from . import arguments as args
from .arguments import Json, Owner, StoryId
from .inputs import checked_owner
from .registry import for_page

SHOWN = 12  # hits that have a preview


class FindOperations:
    """A part of `Studio`, which has these."""

    library: Library
    media: BlobStore
    finder: Finder

    @for_page(slow=True)
    def find(self, owner: Owner, story: StoryId, words: args.Sought) -> Json:
        """Where in the film something is, the likeliest first: scene, frames and seconds, boxes as shares of the
        picture, score, and of the first ones a preview with the box. No hits mean that it is not there. Knows the world
        of the picture book."""
        board = self.library.head(checked_owner(owner), story).board
        hits = [asdict(hit) | {"preview": None} for hit in self.finder.find(board, words)]
        for hit in hits[:SHOWN]:
            take = board.chosen(board.story.scene(hit["scene"]))
            if take is not None:
                frames = read_frames(self.media, take)[hit["first"] : hit["last"] + 1]
                marked = moving_bytes(with_boxes(frames, hit["boxes"]), take.frames_per_second, quality=80)
                hit["preview"] = media_url(self.media.put(marked, "webp"), "webp")
        return {"hits": hits}
