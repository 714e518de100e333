"""Live sketches: what the student makes of a scene for some weights, at once, beside the queue. Nothing is stored."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import ThroughlineError

from ...document import edits
from ...document.story import Board, Conditioning, GuidanceSettings, Scene
from ...media import previews
from ...store.memory import Memory
from ...store.schema import Head
from ..jobs.decided import Decided, Trial
from ..renderer import Renderer
from ..takes import settings_of

if TYPE_CHECKING:  # it loads torch
    from pipeline.live.sketching import Sketch, Sketcher

PATIENCE = 2.0  # seconds that one sketch waits for another: they are made one at a time
MOST_BYTES, SKETCH_BYTES = 16 << 20, 500_000  # of scenes that are ready to be sketched, with their noise


class Sketches:
    """Of all stories of a renderer, with the student of its model."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer, self._one = renderer, threading.Lock()
        self._sketcher: Sketcher | None = None
        self._ready: Memory[tuple[str, int], Sketch] = Memory(MOST_BYTES)
        self._made: Memory[tuple[str, int, float, float], str] = Memory(MOST_BYTES)

    def sketch(self, head: Head, scene_id: str, w1: float, w2: float) -> str:
        """A moving picture as a data URL, of the chosen take's seed. Raises ThroughlineError with the reason where
        there is none."""
        board = _weighted(head.board, scene_id, w1, w2)
        scene = board.story.scene(scene_id)
        _check(scene)
        decided = self._decided(head, board, scene)
        _check_made_from(decided.conditioning)
        take = board.chosen(scene)
        seed = take.seed if take and take.seed is not None else scene.seed
        key = (_unweighted(decided.conditioning), seed)
        made = self._made.get((*key, w1, w2))
        if made is None:
            if not self._one.acquire(timeout=PATIENCE):
                raise ThroughlineError("another live sketch is being made: move the slider again")
            try:
                frames = self._begun(board, scene, decided, key)(w1, w2)
            finally:
                self._one.release()
            made = previews.moving(frames, self.renderer.frames_per_second)
            self._made.keep((*key, w1, w2), made, len(made))
        return made

    def _decided(self, head: Head, board: Board, scene: Scene) -> Decided:
        if not self.renderer.loaded:
            raise ThroughlineError("the model is being loaded: live sketches come with it")
        if os.environ.get("SPACES_ZERO_GPU"):
            raise ThroughlineError("live sketches need a device of their own: here it is lent render by render")
        standing = self.renderer.standings(head).get(scene.id)
        if standing is None or standing.conditioning is None:
            reasons = standing.reasons if standing else ()
            raise ThroughlineError(reasons[0] if reasons else "the scene can't be rendered: expected one with a prompt")
        return Decided.of(board, scene.id, self.renderer.filter, standing.conditioning)

    def _begun(self, board: Board, scene: Scene, decided: Decided, key: tuple[str, int]) -> Sketch:
        """The scene with its words and its past worked out."""
        maker = self.renderer.maker
        maker.check_model(decided.conditioning)
        if self._sketcher is None or self._sketcher.pipeline is not maker.pipeline:
            from pipeline.live.sketching import Sketcher

            self._sketcher = Sketcher.of(maker.pipeline)
        known = self._ready.get(key)
        if known is None:
            decision = decided.about_keyframes()
            settings = settings_of(board, scene, Trial()) | {"seed": key[1]}
            known = self._sketcher.begin(decision.prompt, maker.past(decided), decision, **settings)
            self._ready.keep(key, known, SKETCH_BYTES)
        return known


def _weighted(board: Board, scene: str, w1: float, w2: float) -> Board:
    story = edits.edit_scene(board.story, scene, guidance={"text": w1, "history": w2})
    return replace(board, story=story)


def _unweighted(made_from: Conditioning) -> str:
    """Digest of all that a sketch is made from but its weights."""
    return made_from.model_copy(update={"guidance": GuidanceSettings()}).digest()


def _check(scene: Scene) -> None:
    """Raises ThroughlineError for settings that the student was not taught."""
    guidance = scene.guidance
    if guidance.schedule != "constant" or (guidance.start, guidance.end) != (0, 1):
        window = f"{guidance.schedule}, {guidance.start:.0%} to {guidance.end:.0%}"
        raise ThroughlineError(f"guidance is {window}: live sketches know it constant, from 0% to 100%")


def _check_made_from(made_from: Conditioning) -> None:
    """The same for what the scene begins and ends with, and wears."""
    if made_from.beginning or made_from.pictures:
        raise ThroughlineError("the scene begins or ends with known frames: live sketches do not")
    if made_from.adapters:
        raise ThroughlineError("the scene shows what was taught: live sketches do not know it")
