"""The ways to make a long scene: streamed, at a low rate first, from key frames, in pieces."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.blocks.windows import starts
from pipeline.errors import ThroughlineError
from pipeline.generation import Clip, Step
from pipeline.story_pipeline import StoryPipeline
from tests.tiny import tiny_pipeline

SIZE = {"height": 48, "width": 72, "steps": 4}
FRAMES, WINDOW = 25, 9  # frames of a scene, of a window: windows begin at latent frames 0, 1, 2, 3 and 4


@pytest.fixture(scope="module")
def pipeline() -> StoryPipeline:
    return tiny_pipeline(piece=WINDOW)


def made(pipeline: StoryPipeline, **options: Any) -> tuple[list[Step], Clip]:
    *steps, clip = pipeline.generate("A cat runs.", **{"num_frames": FRAMES, "seed": 4, **SIZE} | options)
    assert isinstance(clip, Clip) and all(isinstance(step, Step) for step in steps)
    return steps, clip  # type: ignore[return-value]


def test_a_streamed_scene_gives_out_frames_as_soon_as_they_are_done(pipeline: StoryPipeline) -> None:
    steps, clip = made(pipeline, way="streamed")
    done = [step.done for step in steps if step.done is not None]
    count = len(starts((FRAMES - 1) // 4 + 1, (WINDOW - 1) // 4 + 1))
    assert [step.index for step in steps] == list(range(1, 4 * count + 1)) and len(clip.trace.guidance) == len(steps)
    assert steps[3].done is not None and len(steps[3].done) == WINDOW and len(done) == count, "each as it is finished"
    assert np.array_equal(np.concatenate(done), clip.frames) and len(clip.frames) == FRAMES
    assert len(steps[4].preview) > WINDOW and np.array_equal(steps[4].preview[:WINDOW], clip.frames[:WINDOW])
    again = copy.copy(steps[3])  # as it goes from one process to another
    assert np.array_equal(again.done, steps[3].done)


@pytest.mark.parametrize("lag", [1, 3])
def test_later_windows_may_start_while_earlier_ones_are_noisy(pipeline: StoryPipeline, lag: int) -> None:
    """The scene is the same, its steps are fewer, and rows of one batch have timesteps of their own."""
    times = list[torch.Tensor]()
    network = pipeline.transformer.forward

    def spy(*args: Any, **options: Any) -> Any:
        times.append(args[2])
        return network(*args, **options)

    pipeline.transformer.forward = spy
    try:
        steps, clip = made(pipeline, way="streamed", lag=lag)
    finally:
        pipeline.transformer.forward = network
    _, plain = made(pipeline, way="streamed")
    assert np.abs(clip.frames.astype(int) - plain.frames).max() <= 1
    assert len(steps) == 4 + lag * 4 and max(len(set(t.flatten().tolist())) for t in times) == -(-4 // lag)


def test_a_streamed_scene_that_gets_longer_keeps_its_beginning(pipeline: StoryPipeline) -> None:
    clips = [made(pipeline, way="streamed", num_frames=n, eta=0.5)[1].frames for n in (WINDOW, 17, FRAMES)]
    assert np.array_equal(clips[0], clips[1][:WINDOW]) and np.array_equal(clips[1][:13], clips[2][:13])
    assert np.array_equal(clips[0], made(pipeline, num_frames=WINDOW, eta=0.5)[1].frames), "a short one is as ever"


def test_a_streamed_scene_begins_and_ends_with_frames(pipeline: StoryPipeline) -> None:
    first, last = np.random.default_rng(0).integers(0, 256, (2, 1, 48, 72, 3), np.uint8)
    before = np.repeat(first, 5, 0)
    _, free = made(pipeline, way="streamed", beginning=before)
    _, ended = made(pipeline, way="streamed", beginning=before, ending=last)
    shown = pipeline.latents.decode(torch.cat([pipeline.latents.encode(p) for p in (first, last)], 1))
    assert np.array_equal(ended.frames[0], pipeline.latents.decode(pipeline.latents.encode(before))[-1])
    assert np.array_equal(ended.frames[-4:], shown[1:]) and not np.array_equal(free.frames[-4:], shown[1:])
    assert len(free.frames) == len(ended.frames) == FRAMES


def test_memory_stays_what_a_window_needs(pipeline: StoryPipeline) -> None:
    """No network is shown more than a window, and no latents but a window's are decoded."""
    shapes = list[int]()
    decode = pipeline.latents.decode
    pipeline.latents.decode = lambda z: shapes.append(z.shape[1]) or decode(z)  # type: ignore[func-returns-value, method-assign]
    try:
        made(pipeline, way="streamed")
    finally:
        pipeline.latents.decode = decode  # type: ignore[method-assign]
    assert set(shapes) == {3}


@pytest.mark.parametrize("way", ["low-rate", "key-frames"])
def test_a_first_pass_decides_the_plan(pipeline: StoryPipeline, way: str) -> None:
    """Its frames are in the scene as they are, every fourth one, or as stills, in which neighbours meet."""
    steps, clip = made(pipeline, way=way)
    assert [step.index for step in steps] == list(range(1, steps[0].total + 1)) and len(clip.frames) == FRAMES
    if way == "low-rate":
        _, first = made(pipeline, num_frames=9)
        assert np.array_equal(clip.frames[::4], first.frames[:7])
        assert np.array_equal(steps[-1].preview[::2], first.frames[:7]), "shown is what is there"
    else:
        _, first = made(pipeline, num_frames=21)
        for number, key in enumerate(first.frames[:20:4]):
            still = pipeline.latents.decode(pipeline.latents.encode(key[None]).expand(-1, 2, -1, -1, -1))
            assert np.array_equal(clip.frames[5 * number], still[-1 if number else 0])
    short = made(pipeline, way=way, num_frames=WINDOW)[1]
    assert np.array_equal(short.frames, made(pipeline, num_frames=WINDOW)[1].frames)


def test_pieces_go_on_from_one_another(pipeline: StoryPipeline) -> None:
    steps, clip = made(pipeline, way="pieces")
    assert len(clip.frames) == FRAMES and len(steps) == 4 * 5
    assert np.array_equal(clip.frames[:WINDOW], made(pipeline, num_frames=WINDOW)[1].frames)


def test_ways_that_a_model_does_not_have_are_refused(pipeline: StoryPipeline) -> None:
    with pytest.raises(ThroughlineError, match="way is 'odd': expected windows or streamed or pieces or low-rate"):
        pipeline.generate("A cat.", way="odd", **SIZE)
    with pytest.raises(ThroughlineError, match=r"lag is 5: expected 0 to 4"):
        pipeline.generate("A cat.", way="streamed", lag=5, **SIZE)
    with pytest.raises(ThroughlineError, match=r"num_frames is 485: expected 4 k \+ 1, from 1 to 481"):
        pipeline.generate("A cat.", way="streamed", num_frames=485, **SIZE)
    picture = np.zeros((1, 48, 72, 3), np.uint8)
    with pytest.raises(ThroughlineError, match="ending is given: expected none"):
        pipeline.generate("A cat.", way="key-frames", ending=picture, num_frames=FRAMES, **SIZE)
    with pytest.raises(ThroughlineError, match="way is 'pieces': expected windows or streamed"):
        tiny_pipeline().generate("A cat.", way="pieces", **SIZE)
