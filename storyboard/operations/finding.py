"""What the studio does about finding something in a film."""

from __future__ import annotations

from dataclasses import asdict

from ..finding.finder import Finder
from ..store.library import Library
from . import arguments as args
from .arguments import Json, Owner, StoryId
from .inputs import checked_owner
from .registry import for_page


class FindOperations:
    """A part of `Studio`, which has these."""

    library: Library
    finder: Finder

    @for_page(slow=True)
    def find(self, owner: Owner, story: StoryId, words: args.Sought) -> Json:
        """Where in the film something is, the likeliest first: scene, frames and seconds, boxes as shares of the
        picture, score. No hits mean that it is not there. Knows the world of the picture book."""
        board = self.library.head(checked_owner(owner), story).board
        return {"hits": [asdict(hit) for hit in self.finder.find(board, words)]}
