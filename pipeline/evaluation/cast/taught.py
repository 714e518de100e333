"""Whether a model learns subjects that its world never draws: facts of theirs in new places and actions.

A subject is taught from stills of it (`pipeline.picturebook.taught`), then filmed where and as none of them shows it,
as a scene of a story with a cast is: with the adapter on, and one of the stills remembered. Figures:

taught_facts: of what no figure of the world has (colours, stripes, the shape of a hat), what the clips show, measured
in the localiser's mask against drawings of the same scenes. others_facts: facts of others and of their places, by the
reader, that are after the teaching what they were before, for the same prompt and noise, in scenes of a film: only
those whose prompt names the subject wear its adapter. others_worn: the same if these scenes wore it too, which no film
does. beside_facts: facts of somebody else in the same scene as the subject, which wears it, by the judge of edits.
prompt: the place and the action that the prompt of a taught scene says, by the reader.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...adapters.files import Adapter, read_adapter, write_adapter
from ...adapters.priors import priors_of
from ...adapters.teaching import Lesson, Recipe, Still, teach
from ...adapters.wearing import Worn, shown
from ...history import HistoryScene
from ...picturebook import renderer, world
from ...picturebook.facts import ACTOR_FACTS
from ...picturebook.localiser import Localiser
from ...picturebook.reader import ClipReader, Reading, frames_read
from ...picturebook.taught import Setting, facts_shown, picture_of, settings_of, taught_subject
from ...picturebook.world import Actor, WorldScene
from ...story_pipeline import SceneRequest, StoryPipeline
from ..common.statistics import Estimate, Tally, estimate, total
from ..editing.judging import Judge, kept

OTHERS = 4  # scenes of others a subject
BESIDE = 3  # scenes of it and somebody else
JUDGE_STORIES = 200  # that the judge of two figures is trained on
MEASURES = ("taught_facts", "others_facts", "others_worn", "beside_facts", "prompt", "taught_before", "prompt_before")


@dataclass(frozen=True)
class Judges:
    reader: ClipReader
    localiser: Localiser
    two: Judge  # of two figures

    @classmethod
    def trained(cls, pipeline: StoryPipeline, reader: ClipReader) -> Judges:
        two = Judge.trained(pipeline, JUDGE_STORIES)
        return cls(reader, two.localiser, two)


@dataclass(frozen=True)
class Taught:
    """What one subject adds. before: the same without the adapter, with the remembered picture."""

    facts: Tally
    others: Tally
    others_worn: Tally
    beside: Tally
    prompt: Tally
    facts_before: Tally
    prompt_before: Tally
    seconds: float  # of processor time that teaching took
    megabytes: float  # of the file


def lesson_of(pipeline: StoryPipeline, actor: Actor, pictures: Sequence[Setting]) -> Lesson:
    stills = [Still(setting.prompt, picture_of(setting)) for setting in pictures]
    return Lesson(actor.name, stills, priors_of(pipeline, actor.name, [still.prompt for still in stills]))


def judged(pipeline: StoryPipeline, judges: Judges, index: int, recipe: Recipe) -> Taught:
    """Teaches subject `index` and films it."""
    actor = taught_subject(index)
    pictures, new = settings_of(actor, index)
    lesson, others = lesson_of(pipeline, actor, pictures), list(_others(index))
    anchor = pipeline.encode_scene(lesson.stills[0].prompt, lesson.stills[0].picture[None])
    beside = list(_with_others(actor, index))
    before, others_before, beside_before = (_filmed(pipeline, scenes, anchor) for scenes in (new, others, beside))
    learnt = _learnt(pipeline, lesson, recipe)
    with tempfile.TemporaryDirectory() as folder:
        path = write_adapter(learnt.adapter, Path(folder))
        megabytes = path.stat().st_size / 1e6
        after = _in_a_film(pipeline, new, anchor, path)
        others_after, beside_after = (_in_a_film(pipeline, scenes, anchor, path) for scenes in (others, beside))
        with shown(pipeline, [Worn(path)]):
            others_worn = _filmed(pipeline, others, anchor)
    read = judges.reader.read(others_before)
    return Taught(
        _facts(judges, new, after),
        _same(read, judges.reader.read(others_after)),
        _same(read, judges.reader.read(others_worn)),
        total(map(partial(_kept_beside, judges.two), beside_before, beside_after)),
        _said(judges.reader.read(after), new),
        _facts(judges, new, before),
        _said(judges.reader.read(before), new),
        learnt.seconds,
        megabytes,
    )


class _Learnt(NamedTuple):
    adapter: Adapter
    seconds: float  # of processor time


def _learnt(pipeline: StoryPipeline, lesson: Lesson, recipe: Recipe) -> _Learnt:
    began = time.process_time()
    for progress in teach(pipeline, lesson, recipe):
        if progress.step == progress.total:
            adapter = progress.adapter
    return _Learnt(adapter, time.process_time() - began)


def _in_a_film(
    pipeline: StoryPipeline, settings: Sequence[Setting], anchor: HistoryScene, path: Path
) -> list[np.ndarray]:
    """As `_filmed`; scenes whose prompt has the name that the adapter's file says wear it."""
    name = re.compile(rf"\b{re.escape(str(read_adapter(path).about['name']))}\b")
    named = [bool(name.search(setting.prompt)) for setting in settings]
    clips: list[np.ndarray] = [np.empty(0)] * len(settings)
    for wears in sorted(set(named)):
        own = [i for i, is_named in enumerate(named) if is_named == wears]
        with shown(pipeline, [Worn(path)] if wears else []):
            for i, clip in zip(own, _filmed(pipeline, [settings[i] for i in own], anchor), strict=True):
                clips[i] = clip
    return clips


def _others(index: int) -> Iterator[Setting]:
    """Scenes of figures of the world, one each."""
    rng = random.Random(f"others/{index}")
    for name in world.draw_names(rng, OTHERS):
        place = world.draw_place(rng, rng.choice(world.PLACES))
        yield Setting(world.draw_scene(rng, (world.draw_actor(rng, name),), place))


def _with_others(actor: Actor, index: int) -> Iterator[Setting]:
    """Scenes of the subject, on the left, and a figure of the world."""
    rng = random.Random(f"beside/{index}")
    for name in world.draw_names(rng, BESIDE):
        place = world.draw_place(rng, rng.choice(world.PLACES))
        yield Setting(world.draw_scene(rng, (actor, world.draw_actor(rng, name)), place))


def _kept_beside(judge: Judge, before: np.ndarray, after: np.ndarray) -> Tally:
    """Facts of the figure on the right that are as they were; nothing where there were not two before."""
    was, now = judge.see(before), judge.see(after)
    return kept(was, now, (frozenset(ACTOR_FACTS), frozenset())) if len(was.actors) == 2 else Tally()


def _filmed(pipeline: StoryPipeline, settings: Sequence[Setting], anchor: HistoryScene) -> list[np.ndarray]:
    """A clip of each, uint8 (F, H, W, 3), which remembers the anchor where it names the same."""
    requests = []
    for setting in settings:
        own = replace(pipeline.native, seed=setting.scene.seed % 2**31)
        result = pipeline.filter([anchor.prompt], setting.prompt)
        places = {
            m.index for m in result.scenes[0].kept_mentions if m.text.split()[0] not in setting.prompt.split()[:2]
        }
        kept = result.without({(0, mention): "the cast gives nothing but the name" for mention in places})
        requests.append(SceneRequest(setting.prompt, pipeline.remember([anchor], kept, own), pipeline.guidance, own))
    return pipeline.render(requests)


def _facts(judges: Judges, settings: Sequence[Setting], clips: Sequence[np.ndarray]) -> Tally:
    def tally(setting: Setting, clip: np.ndarray) -> Tally:
        frames = frames_read(len(clip))
        drawn = renderer.render(setting.scene, masks=False, frames=frames).frames
        shown = facts_shown(setting.scene.cast[0], [clip[t] for t in frames], list(drawn), judges.localiser)
        return Tally(sum(shown.values()), len(shown))

    return total(map(tally, settings, clips))


def _same(before: Sequence[Reading], after: Sequence[Reading]) -> Tally:
    """Facts that are read alike."""
    pairs = [pair for a, b in zip(before, after, strict=True) for pair in ((a.actor, b.actor), (a.place, b.place))]
    return total(Tally(sum(a[name] == b[name] for name in a), len(a)) for a, b in pairs)


def _said(read: Sequence[Reading], settings: Sequence[Setting]) -> Tally:
    """What prompts say that is read: the place, the action."""

    def tally(reading: Reading, scene: WorldScene) -> Tally:
        found = (reading.place["kind"] == scene.place.kind, reading.actor["action"] == scene.actions[0])
        return Tally(sum(found), len(found))

    return total(tally(reading, setting.scene) for reading, setting in zip(read, settings, strict=True))


def figures(found: Sequence[Taught]) -> dict[str, Estimate]:
    """By measure, with 95% intervals over subjects."""
    columns = ("facts", "others", "others_worn", "beside", "prompt", "facts_before", "prompt_before")
    made = {
        name: estimate([getattr(one, column) for one in found]) for name, column in zip(MEASURES, columns, strict=True)
    }
    return made | {
        "seconds": _mean([one.seconds for one in found]),
        "megabytes": _mean([one.megabytes for one in found]),
    }


def _mean(values: Sequence[float]) -> Estimate:
    return estimate([Tally(value, 1.0) for value in values])
