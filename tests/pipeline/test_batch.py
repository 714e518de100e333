"""Shots in a batch: each comes out as it does alone, whatever it is batched with."""

from functools import lru_cache

import numpy as np
import pytest

from pipeline.errors import ThroughlineError
from pipeline.guidance import Guidance
from pipeline.history import HistoryScene, remember
from pipeline.story_pipeline import SceneRequest, Settings, StoryPipeline
from tests.tiny import tiny_pipeline

SMALL = {"height": 48, "width": 48, "num_frames": 5, "steps": 3}
PASTS = ("A cat is running on the beach.", "Mia, a girl in a red coat, is dancing in the kitchen.")


@lru_cache(maxsize=1)
def tiny() -> StoryPipeline:
    pipeline = tiny_pipeline()
    pipeline.autocast = False  # rounding to 8 bits would hide what this file looks for
    return pipeline


@lru_cache(maxsize=1)
def history() -> tuple[HistoryScene, ...]:
    noise = np.random.default_rng(0).integers(0, 256, (len(PASTS), 1, 48, 48, 3), np.uint8)
    return tuple(tiny().encode_scene(prompt, frames) for prompt, frames in zip(PASTS, noise, strict=True))


def shot(prompt: str, guidance: Guidance | None = None, **changes) -> SceneRequest:
    result = tiny().filter(PASTS, prompt)
    memory = remember(history(), result, tiny().text.encode(prompt), tiny().extractor, tiny().decoupler)
    return SceneRequest(prompt, memory, guidance or Guidance(), Settings(**SMALL | changes))


def mixed_shots() -> list[SceneRequest]:
    """Long and short prompts, much, little and no memory, all numbers of branches, noise along the way."""
    return [
        shot("Mia is jumping on the beach with a cat.", seed=1),
        shot("It rains.", seed=2),
        shot("The cat waits.", Guidance(1, 0), seed=3, negative_prompt="a dog in the snow at night"),
        shot("A cat is skiing.", Guidance(3, 2, start=0.5), seed=4, negative_prompt="blurred", eta=0.6),
        shot("Mia waves.", Guidance(0, 0), seed=5),
    ]


def alone(one: SceneRequest) -> np.ndarray:
    settings = {name: getattr(one.settings, name) for name in (*SMALL, "seed", "eta", "negative_prompt")}
    return tiny()(one.prompt, history(), one.guidance, **settings).frames


def test_a_batch_of_one_is_the_clip_itself() -> None:
    for one in mixed_shots():
        assert np.array_equal(tiny().render([one])[0], alone(one))


def test_a_shot_in_a_batch_is_the_shot_alone() -> None:
    shots = mixed_shots()
    assert {one.memory.tokens is None for one in shots} == {True, False}
    for one, frames in zip(shots, tiny().render(shots), strict=True):
        difference = np.abs(frames.astype(int) - alone(one))
        assert difference.max() <= 1 and difference.mean() < 0.01


def test_what_a_shot_is_batched_with_matters_to_no_pixel_but_by_rounding() -> None:
    first, second, *rest = mixed_shots()
    pair, among = tiny().render([first, second])[0], tiny().render([*rest, first])[-1]
    assert np.abs(pair.astype(int) - among).max() <= 1
    assert not np.array_equal(pair, tiny().render([second])[0]), "the shots look alike: the test could not fail"


@pytest.mark.parametrize("changes", [{"num_frames": 9}, {"steps": 4}, {"width": 72}])
def test_shots_of_different_shapes_are_refused(changes: dict) -> None:
    with pytest.raises(ThroughlineError, match="2 shapes"):
        tiny().render([shot("It rains."), shot("It rains.", **changes)])


def test_no_shots_and_shots_that_cannot_be_made_are_refused() -> None:
    with pytest.raises(ThroughlineError, match="0 shapes"):
        tiny().render([])
    with pytest.raises(ThroughlineError, match="steps is 0"):
        tiny().render([shot("It rains.", steps=0)])
