"""The systems that are compared: what each remembers, and how strongly. All start a scene from the same noise."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...defaults import STEPS
from ...guidance import Guidance
from ...language.matching import DEFAULT_THRESHOLD
from ...picturebook.world import WorldStory
from ...story_pipeline import StoryPipeline
from .filters import EVERYTHING, PromptFilter, RecentScenes, TokenFilter

Film = list[np.ndarray]  # a scene: uint8 (F, H, W, 3)

ABBA, LONG, PROBES = "abba", "long", "probes"
SHORT = (ABBA, PROBES)  # of few scenes, where ablations of which there are many are measured
SHEET_ROWS = ("ours", "no_history")  # the systems whose films the contact sheet shows


@dataclass(frozen=True)
class Options:
    guidance: Guidance = field(default_factory=Guidance)
    steps: int = STEPS


@dataclass(frozen=True)
class System:
    """What makes a film of the prompts of a story, and of nothing else."""

    title: str
    words: str = "mentions"  # what decides what is remembered: a name of `filters_of`
    history_scale: float | None = None  # w2; None for that of the run
    remembers_by: str | None = None  # a name of `defaults.HISTORIES`; None for the model's own
    protocols: tuple[str, ...] = (ABBA, LONG, PROBES)  # where it is measured
    casts: bool = False  # whether whom nobody describes is cast
    keeps: bool = False  # whether a scene whose words were edited keeps the rest of its former take

    def guidance(self, options: Options) -> Guidance:
        if self.history_scale is None:
            return options.guidance
        return replace(options.guidance, history=self.history_scale)


WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0)
MAIN = {"ours": System("ours", casts=True), "no_history": System("no history", "nothing")}
WEIGHTED = {f"w2_{w:g}": System(f"w2 = {w:g}", history_scale=w, casts=True, protocols=SHORT) for w in WEIGHTS}
ABLATIONS = {
    "uncast": System("ours, nobody cast"),
    "last_frame": System("last frame only", "last scene"),
    "whole_prompts": System("whole past prompts", "everything"),
    "bare_tokens": System("bare tokens", "tokens"),
    "keep_rest": System("ours, keeping the rest", protocols=(PROBES,), casts=True, keeps=True),
    "reference": System("by reference, untrained", history_scale=1.5, remembers_by="reference", protocols=SHORT),
    **WEIGHTED,
}
SYSTEMS = MAIN | ABLATIONS
CONTROLS = {"frozen_frame": "frozen frame", "ceiling": "ceiling (rendered)", "chance": "chance"}
TITLES = {name: system.title for name, system in SYSTEMS.items()} | CONTROLS


def filters_of(pipeline: StoryPipeline) -> dict[str, PromptFilter]:
    return {
        "mentions": pipeline.filter,
        "nothing": RecentScenes(pipeline.filter, 0),
        "last scene": RecentScenes(pipeline.filter, 1),
        "everything": TokenFilter(pipeline.text, EVERYTHING),
        "tokens": TokenFilter(pipeline.text, DEFAULT_THRESHOLD),
    }


def measured_on(protocol: str, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the systems that are measured on the stories of a protocol."""
    return tuple(name for name in names if protocol in SYSTEMS[name].protocols)


def noise_seeds(story: WorldStory, domain: str) -> list[int]:
    """One seed a scene, for every system the same."""
    rng = random.Random(f"noise/{domain}/{story.seed}")
    return [rng.getrandbits(31) for _ in story.scenes]


def frozen_frame(first: np.ndarray, scenes: int) -> Film:
    """A control that must not win: scene 1 as it was generated, every later scene a still of the keyframe before it."""
    still = np.repeat(first[len(first) // 2][None], len(first), axis=0)
    return [first] + [still] * (scenes - 1)


def keyframes(film: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The middle frame of every clip, as `StoryPipeline.encode_scene` takes it."""
    return [clip[len(clip) // 2] for clip in film]
