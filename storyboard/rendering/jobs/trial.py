"""How a trial of a scene is made."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import ThroughlineError

from ...continuity.meter import Meter
from ...document.plan import Standing
from ...document.story import Scene, Story
from ...store.library import Library
from ...store.schema import Head
from ..takes import TakeMaker
from .decided import Decided
from .job import Job, Made

if TYPE_CHECKING:  # it loads torch
    from pipeline.text_filter import TextFilter


class Rendering(Protocol):
    """As much of a `Renderer` as a trial needs."""

    library: Library
    meter: Meter

    @property
    def filter(self) -> TextFilter: ...
    def standings(self, head: Head) -> Mapping[str, Standing]: ...
    def ready_for(self, scene: Scene, story: Story) -> TakeMaker: ...


def make(renderer: Rendering, job: Job) -> Generator[Made, None, None]:
    """Yields its steps and, as the last one's result, what it shows. Raises ThroughlineError for a scene that can't be
    rendered."""
    head = renderer.library.head(job.owner, job.story)
    scene, standing = head.board.story.scene(job.scene), renderer.standings(head)[job.scene]
    if standing.conditioning is None:
        unfit = "the scene can't be rendered: expected one with a prompt, not a clip of your own"
        raise ThroughlineError(standing.reasons[0] if standing.reasons else unfit)
    take, maker = head.board.chosen(scene), renderer.ready_for(scene, head.board.story)
    maker.check_model(standing.conditioning)
    seed = take.seed if take and take.seed is not None else scene.seed
    tried, whole = Decided.of_trial(job.order, head.board, scene.id, renderer.filter, standing.conditioning)
    clip = yield from maker.render(head.board, scene, tried, seed, job.order)
    yield Made(result=maker.tried(whole, clip, renderer.meter.scores))
