"""Renders a film: scene after scene, each with the memory of those before it.

Does not cover: the queue of the studio; writing files (`storyboard.export.film_folder`).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pipeline.errors import ThroughlineError
from pipeline.guidance import Guidance
from pipeline.history import HistoryScene
from pipeline.picturebook.casting import Casting, Company, roles_in
from pipeline.stages.continuation import check_known, ending
from pipeline.story_pipeline import Clip, Settings, Step, StoryPipeline, Trace
from pipeline.text_filter import FilterResult

DECIDING = ("threshold", "pins", "mutes", "muted_scenes")  # settings that the filter is asked by


@dataclass(frozen=True, eq=False)
class FilmOrder:
    """A film to make."""

    prompts: tuple[str, ...]  # one a scene
    guidance: Guidance = field(default_factory=Guidance)
    settings: Mapping[str, Any] = field(
        default_factory=dict
    )  # fields of `Settings`; scene k, from 0, adds k to the seed
    lengths: tuple[int, ...] = ()  # frames of each scene, instead of the settings'
    seams: tuple[str, ...] = ()  # of each scene but the first: see `Seam`; none for cuts
    clips: tuple[np.ndarray, ...] = ()  # of the first scenes, uint8 (F, H, W, 3): those are not generated
    first: tuple[np.ndarray | None, ...] = ()  # pictures with which scenes begin, from the first scene on, (1, H, W, 3)
    last: tuple[np.ndarray | None, ...] = ()  # and with which they end
    casting: int | None = None  # the seed by which whom no prompt describes is cast; None: nobody is

    def castings(self, scene: int) -> list[Casting]:
        """Of scene `scene`, from 0, as `storyboard.document.cast.castings` has them."""
        if self.casting is None or self._shows_its_own(scene):
            return []
        company, shown = Company(), set[str]()
        for before, prompt in enumerate(self.prompts[:scene]):
            company.pass_by(prompt)
            shown.update(role.name for role in roles_in(prompt) if self._shows_its_own(before))
        return [Casting(role, self.casting) for role in company.of(self.prompts[scene]) if role.name not in shown]

    def own_picture(self, scene: int) -> np.ndarray | None:
        """The picture with which scene `scene`, from 0, begins, where it is remembered too: where castings are."""
        continues = self.continues(scene) or scene < len(self.clips)
        return None if self.casting is None or continues else self.picture("first", scene)

    def beside(self, scene: int) -> list[tuple[str, np.ndarray]]:
        """What scene `scene`, from 0, remembers beside those before it: prompts, and pictures, uint8 (H, W, 3)."""
        own = self.own_picture(scene)
        drawn = [(one.role.caption, one.picture) for one in self.castings(scene)]
        return drawn if own is None else [(self.prompts[scene], own[0]), *drawn]

    def decided(self, pipeline: StoryPipeline, scene: int) -> FilterResult:
        """What scene `scene`, from 0, remembers of those before it and of what is beside them."""
        settings = self.scene_settings(scene)
        past = [*self.prompts[:scene], *(told for told, _ in self.beside(scene))]
        asked: dict[str, Any] = {name: getattr(settings, name) for name in DECIDING}
        asked["former"] = scene if self.own_picture(scene) is not None else None
        return pipeline.filter(past, self.prompts[scene], **asked)

    def _shows_its_own(self, scene: int) -> bool:
        ends = self.picture("first", scene), self.picture("last", scene)
        return scene < len(self.clips) or any(picture is not None for picture in ends)

    def scene_settings(self, scene: int) -> Settings:
        """The settings of scene `scene`, from 0."""
        settings = Settings(**self.settings)
        own = {"num_frames": self.lengths[scene]} if self.lengths else {}
        return Settings(**{**self.settings, "seed": settings.seed + scene, **own})

    def picture(self, place: Literal["first", "last"], scene: int) -> np.ndarray | None:
        """The picture with which scene `scene`, from 0, begins or ends."""
        given = self.first if place == "first" else self.last
        return given[scene] if scene < len(given) else None

    def continues(self, scene: int) -> bool:
        """Whether scene `scene`, from 0, goes on from the last frames of the one before it."""
        return bool(self.seams) and scene > 0 and self.seams[scene - 1] == "continue"


@dataclass(frozen=True, eq=False)
class Progress:
    """A denoising step of a scene is done."""

    scene: int  # from 0
    step: Step


@dataclass(frozen=True, eq=False)
class SceneDone:
    """A scene is there, generated or given."""

    scene: int  # from 0
    prompt: str
    frames: np.ndarray  # uint8 (F, H, W, 3)
    keyframe: np.ndarray  # uint8 (H, W, 3): what later scenes remember it by
    trace: Trace | None  # None for a clip of the user's own
    settings: Settings | None
    seconds: Mapping[str, float]  # of each stage; "encode" is the keyframe's encoding for later scenes
    continues: bool = False  # whether its first frame is the last one of the scene before it
    castings: tuple[str, ...] = ()  # captions of those that it remembers beside the scenes before it
    begins: bool = False  # whether it remembers, before castings, the picture with which it begins


def check_film(pipeline: StoryPipeline, order: FilmOrder) -> None:
    """Raises ThroughlineError if any scene of the film can't be made; nothing is rendered."""
    if not order.prompts:
        raise ThroughlineError("there are no prompts: expected at least one")
    if len(order.clips) > len(order.prompts):
        raise ThroughlineError(
            f"{len(order.clips)} clips for {len(order.prompts)} prompts: expected a prompt for each clip"
        )
    _check_counts(pipeline, order)
    with _naming("negative prompt"):
        pipeline.text.encode(order.scene_settings(0).negative_prompt)
    for scene, prompt in enumerate(order.prompts):
        with _naming(f"scene {scene + 1}"):
            pipeline.check(prompt, order.scene_settings(scene))


def _check_counts(pipeline: StoryPipeline, order: FilmOrder) -> None:
    """Whether what is said of each scene is said of as many as there are."""
    scenes = len(order.prompts)
    for name, given, expected in (("lengths", order.lengths, scenes), ("seams", order.seams, scenes - 1)):
        if given and len(given) != expected:
            raise ThroughlineError(f"there are {len(given)} {name} for {scenes} prompts: expected {expected}")
    limits = pipeline.backbone.limits
    if "continue" in order.seams and not (limits.piece or limits.pictures):
        raise ThroughlineError("a seam is 'continue': expected cuts, this model does not go on from frames")
    for scene in range(scenes):
        with _naming(f"scene {scene + 1}"):
            _check_pictures(pipeline, order, scene)


def _check_pictures(pipeline: StoryPipeline, order: FilmOrder, scene: int) -> None:
    first, last = order.picture("first", scene), order.picture("last", scene)
    if (first is not None or last is not None) and scene < len(order.clips):
        raise ThroughlineError("it has a first or last picture: expected none, it is a clip of your own")
    if first is not None and order.continues(scene):
        raise ThroughlineError("it continues the scene before it: expected another seam for a first picture")
    settings, limits = order.scene_settings(scene), pipeline.backbone.limits
    if limits.pictures and first is None:  # it may go on from the scene before
        return
    size = (settings.height, settings.width)
    check_known(first, last, limits, settings.num_frames, size, pipeline.latents.period)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Puts what is wrong in front of an error's message."""
    try:
        yield
    except ThroughlineError as error:
        raise type(error)(f"{name}: {error}") from None


def render_film(pipeline: StoryPipeline, order: FilmOrder) -> Generator[Progress | SceneDone, None, None]:
    """Yields the steps of each scene and the scene itself, in order. Closing the generator cancels.

    Raises ThroughlineError as `check_film` does, before the first step.
    """
    check_film(pipeline, order)
    return _render(pipeline, order)


def _render(pipeline: StoryPipeline, order: FilmOrder) -> Generator[Progress | SceneDone, None, None]:
    history, frames = list[HistoryScene](), np.zeros((0, 0, 0, 3), np.uint8)
    for scene, prompt in enumerate(order.prompts):
        given = scene < len(order.clips)
        first = ending(frames) if order.continues(scene) else order.picture("first", scene)
        beginning = None if given else first
        clip = None if given else (yield from _generate(pipeline, order, scene, history, beginning))
        frames = order.clips[scene] if clip is None else clip.frames
        began = time.perf_counter()
        history.append(pipeline.encode_scene(prompt, frames))
        seconds = (clip.trace.seconds if clip else {}) | {"encode": time.perf_counter() - began}
        settings = None if given else order.scene_settings(scene)
        trace = clip.trace if clip else None
        continues = order.continues(scene) and not given
        told = tuple(casting.role.caption for casting in order.castings(scene))
        begins = order.own_picture(scene) is not None
        yield SceneDone(scene, prompt, frames, history[-1].keyframe, trace, settings, seconds, continues, told, begins)


def _generate(
    pipeline: StoryPipeline, order: FilmOrder, scene: int, history: list[HistoryScene], beginning: np.ndarray | None
) -> Generator[Progress, None, Clip]:
    settings, last = vars(order.scene_settings(scene)), order.picture("last", scene)
    past = [*history, *(pipeline.encode_scene(told, picture[None]) for told, picture in order.beside(scene))]
    found = order.decided(pipeline, scene)
    for item in pipeline.generate(order.prompts[scene], past, order.guidance, found, beginning, last, **settings):
        if isinstance(item, Clip):
            return item
        yield Progress(scene, item)
    raise AssertionError("a generation ends with a clip")
