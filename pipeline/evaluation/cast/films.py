"""Films of one hero with a cast picture and without, made in batches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...history import HistoryScene
from ...picturebook.captions import caption
from ...picturebook.world import PLACES, Actor, WorldScene, draw_place, draw_scene
from ...story_pipeline import SceneRequest, StoryPipeline
from ...text_filter import FilterResult, TextFilter, WordKey
from ..story.benchmark import HeldOut

BATCH = 8  # scenes
SECOND = 3  # scenes of the second story


@dataclass(frozen=True, eq=False)
class Anchor:
    """A cast picture: a past scene that the film does not show."""

    scene: HistoryScene
    name: tuple[int, int]  # characters of its prompt
    beside: bool = False  # remembered beside earlier scenes, which it does not outrank


@dataclass(eq=False)
class Track:
    """A film in the making."""

    prompts: Sequence[str]
    seeds: Sequence[int]
    anchor: Anchor | None
    past: list[HistoryScene] = field(default_factory=list)
    clips: list[np.ndarray] = field(default_factory=list)  # uint8 (F, H, W, 3)


@dataclass(frozen=True)
class Casting:
    """A hero, in the scenes of one story and those of a second, and the scene whose take is kept as the picture."""

    hero: Actor
    places: tuple[int, ...]  # of the scenes in the story
    story: tuple[WorldScene, ...]
    second: tuple[WorldScene, ...]
    kept: WorldScene

    @classmethod
    def of(cls, held_out: HeldOut) -> Casting:
        story, rng = held_out.story, random.Random(f"cast/{held_out.domain}/{held_out.index}")
        hero = story.scenes[0].cast[0]
        places = tuple(i for i, scene in enumerate(story.scenes) if scene.cast == (hero,))
        others = [draw_scene(rng, (hero,), draw_place(rng, kind)) for kind in rng.sample(PLACES, SECOND + 1)]
        return cls(hero, places, tuple(story.scenes[i] for i in places), tuple(others[1:]), others[0])


def anchored(filter: TextFilter, past: Sequence[str], anchor: Anchor, prompt: str) -> FilterResult:
    """What a scene keeps if an anchor, the last of its past, outranks earlier scenes for its mention, or does not."""
    prompts, last = [*past, anchor.scene.prompt], len(past)
    kept = filter(prompts, prompt).scenes[last].kept_mentions
    start, end = anchor.name
    strays = [WordKey(last, m.start, m.end) for m in kept if not (m.start < end and m.end > start)]
    result = filter(prompts, prompt, mutes=strays)
    if anchor.beside:
        return result
    targets = {mention.target for mention in result.scenes[last].kept_mentions}
    why = "the cast says how it looks"
    return result.without({(i, m.index): why for i in range(last) for m in result.scenes[i].kept_mentions
                           if m.target in targets})  # fmt: skip


def film(pipeline: StoryPipeline, tracks: Sequence[Track]) -> None:
    """Makes the clips of all tracks, scene after scene, in batches."""
    for index in range(max(len(track.prompts) for track in tracks)):
        due = [track for track in tracks if index < len(track.prompts)]
        for start in range(0, len(due), BATCH):
            batch = due[start : start + BATCH]
            requests = [_request(pipeline, track, index) for track in batch]
            for track, clip in zip(batch, pipeline.render(requests), strict=True):
                track.clips.append(clip)
                track.past.append(pipeline.encode_scene(track.prompts[index], clip))


def _request(pipeline: StoryPipeline, track: Track, index: int) -> SceneRequest:
    prompt, past = track.prompts[index], [scene.prompt for scene in track.past]
    history = [*track.past, track.anchor.scene] if track.anchor else track.past
    result = anchored(pipeline.filter, past, track.anchor, prompt) if track.anchor else pipeline.filter(past, prompt)
    settings = replace(pipeline.native, seed=track.seeds[index])
    return SceneRequest(prompt, pipeline.remember(history, result, settings), pipeline.guidance, settings)


def track_of(scenes: Sequence[WorldScene], anchor: Anchor | None) -> Track:
    texts = [caption(scene, random.Random(0), plain=True).text for scene in scenes]
    return Track(texts, [scene.seed % 2**31 for scene in scenes], anchor)


def picture_of(pipeline: StoryPipeline, casting: Casting, beside: bool = False) -> Anchor:
    """The take that is kept as the hero's picture."""
    said, track = caption(casting.kept, random.Random(0), plain=True), track_of([casting.kept], None)
    film(pipeline, [track])
    (name,) = [(span.start, span.end) for span in said.spans if span.label == "actor 0"]
    return Anchor(track.past[0], name, beside)
