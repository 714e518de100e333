"""Live sketches for the page and for programs."""

from __future__ import annotations

import time
from functools import cached_property

from ...rendering.live.sketches import Sketches
from ...rendering.renderer import Renderer
from ...store.library import Library
from .. import arguments as args
from ..arguments import Json, Owner, SceneId, StoryId
from ..inputs import checked_owner
from ..registry import for_page

STEPS = 4  # of the student


class SketchOperations:
    """A part of `Studio`, which has these."""

    library: Library
    renderer: Renderer

    @cached_property
    def _sketches(self) -> Sketches:
        return Sketches(self.renderer)

    @for_page(slow=True, often=True)
    def sketch(
        self,
        owner: Owner,
        story: StoryId,
        scene: SceneId,
        text_weight: args.TextWeight,
        history_weight: args.HistoryWeight,
    ) -> Json:
        """A live sketch: the scene with these weights as a small student of the model makes it in 4 steps, a moving
        picture as a data URL. It is no take, and nothing is stored; rendering makes the exact take."""
        head, began = self.library.head(checked_owner(owner), story), time.perf_counter()
        made = self._sketches.sketch(head, scene, text_weight, history_weight)
        return {"sketch": made, "steps": STEPS, "milliseconds": round((time.perf_counter() - began) * 1000, 1)}
