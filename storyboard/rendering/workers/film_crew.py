"""A film of prompts made by workers: scenes that do not need one another at once, told in the order of the film."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline.stages.continuation import ending
from pipeline.story_pipeline import Clip, Step, StoryPipeline

from ...media.images import read_picture
from ...store.blobs import BlobStore
from ...store.clips import keep_picture
from ..film import DECIDING, FilmOrder, Progress, SceneDone, check_film
from ..jobs.job import Made
from .crew import Crew
from .making import keep_known, make
from .order import Order, Remembered

if TYPE_CHECKING:
    from pipeline.history import HistoryScene
    from pipeline.text_filter import FilterResult

FILTERED = (*DECIDING, "strengths")  # settings that the decision stands for
Making = Generator[Made, None, Clip]


class FilmCrew:
    """As `film.render_film`, with the same clips. media: a folder for keyframes, which nobody needs afterwards.

    Does not cover: strengths of words.
    """

    def __init__(self, pipeline: StoryPipeline, order: FilmOrder, crew: Crew, media: BlobStore) -> None:
        self.pipeline, self.film, self.crew, self.media = pipeline, order, crew, media
        self.away: Callable[[Order], Making] | None = None
        self.threads, self.places = crew.threads, 1
        self._decisions = list["FilterResult | None"]()  # None: of clips of the user's own
        self._done = dict[int, SceneDone]()
        self._kept = dict[int, str]()  # digests of keyframes

    def make(self, order: Order) -> Making:
        """What no worker makes, by this process."""
        return make(self.pipeline, order, self.media, self._encode)

    def render(self) -> Generator[Progress | SceneDone, None, None]:
        """As many scenes at once as there are workers. Closing the generator cancels. Raises ThroughlineError."""
        check_film(self.pipeline, self.film)
        self.crew.tell_places(partial(setattr, self, "places"))
        self._decisions = [self._decide(scene) for scene in range(len(self.film.prompts))]
        makings, told = dict[int, Making](), 0
        try:
            while told < len(self.film.prompts):
                self._begin(makings)
                for scene in list(makings):
                    yield from self._look(makings, scene)
                while told in self._done:
                    yield self._done[told]
                    told += 1
        finally:
            for making in makings.values():
                making.close()

    def _decide(self, scene: int) -> FilterResult | None:
        if scene < len(self.film.clips):
            return None
        return self.film.decided(self.pipeline, scene)

    def needs(self, scene: int) -> set[int]:
        """The scenes that one is made from."""
        decision = self._decisions[scene]
        remembered = {past for past in decision.contributing if past < scene} if decision else set()
        return remembered | ({scene - 1} if decision and self.film.continues(scene) else set())

    def _begin(self, makings: dict[int, Making]) -> None:
        """Gives out what may begin."""
        for scene in range(len(self.film.prompts)):
            if scene in self._done or scene in makings or not self.needs(scene) <= self._done.keys():
                continue
            if self._decisions[scene] is None:
                self._keep(scene, self.film.clips[scene], None)
            elif len(makings) < self.places:
                makings[scene] = self.crew.make(self._order(scene), self)

    def _look(self, makings: dict[int, Making], scene: int) -> Generator[Progress, None, None]:
        try:
            made = next(makings[scene])
        except StopIteration as end:
            del makings[scene]
            self._keep(scene, end.value.frames, end.value)
            return
        if made.step:
            yield Progress(scene, Step(made.step, made.total, lambda: np.zeros((0, 0, 0, 3), np.uint8), made.notice))

    def _order(self, scene: int) -> Order:
        decision, film = self._decisions[scene], self.film
        assert decision is not None, "a clip of the user's own is not made"
        first = ending(self._done[scene - 1].frames) if film.continues(scene) else film.picture("first", scene)
        return Order(
            self.crew.model,
            getattr(self.pipeline, "speed", "exact"),
            film.guidance,
            decision.only(decision.contributing),
            {name: value for name, value in vars(film.scene_settings(scene)).items() if name not in FILTERED},
            tuple(self._remembered(scene, past) for past in decision.contributing),
            keep_known(self.media, first),
            keep_known(self.media, film.picture("last", scene)),
            threads=self.crew.threads,
        )

    def _remembered(self, scene: int, past: int) -> Remembered:
        """One of the past scenes of a scene, or of what it remembers beside them."""
        if past < scene:
            return Remembered(self.film.prompts[past], self._kept[past])
        told, picture = self.film.beside(scene)[past - scene]
        return Remembered(told, keep_picture(self.media, picture))

    def _keep(self, scene: int, frames: np.ndarray, clip: Clip | None) -> None:
        keyframe = frames[len(frames) // 2].copy()
        self._kept[scene] = keep_picture(self.media, keyframe)
        decision, trace = self._decisions[scene], clip.trace if clip else None
        if trace and decision:  # about all of the past, as one process tells it
            places = decision.contributing
            maps = tuple(replace(one, scene=places[one.scene]) for one in trace.maps)
            trace = replace(trace, filter=decision, maps=maps)
        settings = self.film.scene_settings(scene) if clip else None
        seconds: Mapping[str, float] = trace.seconds if trace else {}
        continues = clip is not None and self.film.continues(scene)
        prompt, told = self.film.prompts[scene], tuple(one.role.caption for one in self.film.castings(scene))
        begins = self.film.own_picture(scene) is not None
        made = SceneDone(scene, prompt, frames, keyframe, trace, settings, seconds, continues, told, begins)
        self._done[scene] = made

    def _encode(self, prompt: str, keyframe: str) -> HistoryScene:
        return self.pipeline.encode_scene(prompt, read_picture(self.media.path(keyframe, "png"))[None])
