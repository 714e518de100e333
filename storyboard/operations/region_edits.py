"""What the studio does about regions of a take: an edited take is made in the line in which scenes are rendered."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property

from pipeline.errors import ThroughlineError

from ..document.occurrences import occurrences
from ..document.region_edit import RegionEdit
from ..document.story import Board, Take
from ..document.values import parse
from ..finding.figures import Figures, things_in
from ..media.previews import still
from ..rendering.takes import check_words, prompt_of
from ..store.clips import read_frames
from . import arguments as args
from . import views
from .arguments import Json, Owner, SceneId, StoryId, TakeId
from .edits import take_of
from .film import FilmOperations
from .registry import for_page

PICTURES = "The model makes clips that start from a picture, and can’t change parts of one."


class RegionEditOperations(FilmOperations):
    """A part of `Studio`."""

    @cached_property
    def figures_in(self) -> Figures:
        """Of takes."""
        return Figures(self.media)

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

    @for_page(often=True)
    def changeable(self, owner: Owner, story: StoryId, scene: SceneId, take: TakeId) -> Json:
        """What of a take can be changed: the words of its prompt that can be seen, or why nothing can."""
        board = self._head(owner, story).board
        found = take_of(board, scene, take)
        refused = self._refused(board, scene, found)
        prompt = prompt_of(found.conditioning) if found.conditioning else ""
        return {"refused": refused, "words": [] if refused else _words_of(prompt)}

    @for_page(slow=True)
    def figures(self, owner: Owner, story: StoryId, scene: SceneId, take: TakeId) -> Json:
        """Who is where in a take: of each figure a box for every frame, left, top, right and bottom as shares of the
        picture, and which of the words that can be changed speak of it. Knows the world of the picture book."""
        found = take_of(self._head(owner, story).board, scene, take)
        if found.conditioning is None:
            raise ThroughlineError(f"take {take!r} is a clip of your own: expected one that was generated")
        prompt = prompt_of(found.conditioning)
        seen = self.figures_in.of(self.renderer.maker.pipeline, found, prompt, things_in(prompt))
        return {"figures": [asdict(figure) for figure in seen]}

    @for_page()
    def still(
        self,
        owner: Owner,
        story: StoryId,
        scene: SceneId,
        take: TakeId,
        frame: args.FrameIndex,
        boxes: args.Boxes = (),
        chosen: args.Boxes = (),
    ) -> Json:
        """A frame of a take as a picture, with boxes drawn over it; times: how much larger than the take it is."""
        frames = read_frames(self.media, take_of(self._head(owner, story).board, scene, take))
        if not 0 <= frame < len(frames):
            raise ThroughlineError(f"frame is {frame}: expected 0 to {len(frames) - 1}")
        picture, times = still(frames[frame], boxes, chosen)
        return {"picture": picture, "times": times}

    def _refused(self, board: Board, scene: str, take: Take) -> str:
        """Why parts of a take can't be changed; "" if they can, as far as is known before the model is loaded."""
        if take.conditioning is None:
            return "Parts of a clip of your own can’t be changed: choose a take that was rendered."
        if board.story.scene(scene).locked:
            return "The scene is locked: unlock it to change parts of it."
        if take.conditioning.model != self.renderer.model:
            return "Another model made this take: choose that model again, or render the scene with this one."
        loaded = self.renderer.loaded and self.renderer.maker.pipeline.backbone.limits.pictures
        return PICTURES if loaded else ""


def _words_of(prompt: str) -> list[Json]:
    """What of a prompt can be seen, as regions name it: each with its place among those that read the same."""
    return [{"word": prompt[start:end], "occurrence": list(occurrences(prompt, prompt[start:end])).index(start)}
            for start, end in things_in(prompt)]  # fmt: skip
