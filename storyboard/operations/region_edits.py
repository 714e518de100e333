"""What the studio does about regions of a take: an edited take is made in the line in which scenes are rendered."""

from __future__ import annotations

from pipeline.errors import ThroughlineError

from ..document.region_edit import RegionEdit
from ..document.values import parse
from ..rendering.takes import check_words
from . import arguments as args
from . import views
from .arguments import Json, Owner, SceneId, StoryId, TakeId
from .edits import take_of
from .film import FilmOperations
from .registry import for_page


class RegionEditOperations(FilmOperations):
    """A part of `Studio`."""

    @for_page()
    def edit_take(
        self,
        owner: Owner,
        story: StoryId,
        scene: SceneId,
        take: TakeId,
        regions: args.RegionList,
        seed: args.EditSeed = 0,
    ) -> Json:
        """Puts an edit of regions of a take in line. What comes of it is another take, chosen when it is there."""
        board = self._head(owner, story).board
        found = take_of(board, scene, take)
        if found.conditioning is None:
            raise ThroughlineError(f"take {take!r} is a clip of your own: expected one that was generated")
        if board.story.scene(scene).locked:
            raise ThroughlineError("the scene is locked: expected one that may change")
        edit = parse(RegionEdit, {"source": found.clip, "regions": regions, "seed": seed})
        check_words(found.conditioning, edit)
        self.renderer.submit_edit(owner, story, found, edit)
        queue = self.renderer.queue
        return {"jobs": views.jobs_view(queue.jobs(owner, story), queue.positions())}
