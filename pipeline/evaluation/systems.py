"""The systems that are compared: each makes a film of the prompts of a story, and of nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..guidance import Guidance
from ..history import HistoryScene
from ..picturebook.world import Story
from ..story_pipeline import DEFAULT_STEPS, Clip, StoryPipeline

Film = list[np.ndarray]  # a scene: uint8 (F, H, W, 3)


@dataclass(frozen=True)
class Options:
    guidance: Guidance = field(default_factory=Guidance)
    steps: int = DEFAULT_STEPS


def nothing() -> None:
    """Does nothing: for callers that don't follow the progress."""


def noise_seeds(story: Story, domain: str) -> list[int]:
    """One seed a scene; all systems start a scene from the same noise."""
    rng = random.Random(f"noise/{domain}/{story.seed}")
    return [rng.getrandbits(31) for _ in story.scenes]


def with_history(
    pipeline: StoryPipeline, prompts: Sequence[str], seeds: Sequence[int], options: Options,
    advance: Callable[[], None] = nothing,
) -> list[Clip]:  # fmt: skip
    """`ours`: every clip is encoded and offered to all later scenes. `advance` is called after every scene."""
    history, clips = list[HistoryScene](), list[Clip]()
    for prompt, seed in zip(prompts, seeds, strict=True):
        clips.append(pipeline(prompt, history, options.guidance, steps=options.steps, seed=seed))
        history.append(pipeline.encode_scene(prompt, clips[-1].frames))
        advance()
    return clips


def without_history(
    pipeline: StoryPipeline, prompts: Sequence[str], seeds: Sequence[int], options: Options, ours: Sequence[Clip],
    advance: Callable[[], None] = nothing,
) -> Film:  # fmt: skip
    """`no_history`: every scene alone. A scene of `ours` that kept nothing of the past is that very clip already."""
    film = Film()
    for prompt, seed, clip in zip(prompts, seeds, ours, strict=True):
        if clip.trace.filter.contributing:
            clip = pipeline(prompt, (), options.guidance, steps=options.steps, seed=seed)
        film.append(clip.frames)
        advance()
    return film


def frozen_frame(first: np.ndarray, scenes: int) -> Film:
    """A control that must not win: scene 1 as it was generated, every later scene a still of the keyframe before it."""
    still = np.repeat(first[len(first) // 2][None], len(first), axis=0)
    return [first] + [still] * (scenes - 1)
