"""History by reference: exact in what it lets in, made once a step, shared by the branches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import loading
from pipeline.guidance import Guidance
from pipeline.history import HistoryScene, Reference
from pipeline.reference.attention import UNDECIDED, collage, drawn, keys_and_values
from pipeline.reference.masks import _patches
from pipeline.sampling import FlowMatching, VariancePreserving
from pipeline.story_pipeline import Clip, StoryPipeline
from tests import checkpoints
from tests.tiny import tiny_pipeline

PAST, PROMPT = "A cat is running on the beach.", "The cat is jumping on the beach."
FORGOTTEN = ("A dog is skiing on the snow.", "A robot is reading in the library.", "It rains.", "狗在骑自行车。")
KEPT = (PAST, "A cat is sleeping.", "A girl is waiting on the beach.")
SMALL = {"height": 48, "width": 48, "num_frames": 5, "steps": 2}


@lru_cache(maxsize=1)
def tiny() -> StoryPipeline:
    pipeline = tiny_pipeline()
    pipeline.history = "reference"
    pipeline.autocast = False
    return pipeline


@lru_cache(maxsize=64)
def scene(prompt: str, look: int = 0) -> HistoryScene:
    return tiny().encode_scene(prompt, picture(look))


def picture(look: int) -> np.ndarray:
    return np.random.default_rng(look).integers(0, 256, (1, 48, 48, 3), np.uint8)


def generate(history: list[HistoryScene], guidance: Guidance | None = None, **changes) -> Clip:
    return tiny()(PROMPT, history, guidance, **SMALL | changes)


@contextmanager
def rows(pipeline: StoryPipeline) -> Iterator[list[tuple[int, int]]]:
    """(rows, latent frames) of every call of the transformer while the block runs."""
    seen = list[tuple[int, int]]()
    hook = pipeline.transformer.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape[:2])))
    try:
        yield seen
    finally:
        hook.remove()


def test_a_reference_changes_the_clip_and_so_does_its_weight() -> None:
    clips = [
        generate([]),
        generate([scene(PAST)]),
        generate([scene(PAST, 1)]),
        generate([scene(PAST)], Guidance(history=0.5)),
    ]
    assert all(not np.array_equal(a.frames, b.frames) for i, a in enumerate(clips) for b in clips[:i])


def test_keys_are_made_once_a_step_and_shared_by_the_branches() -> None:
    with rows(tiny()) as seen:
        generate([scene(PAST)])
    looking = [(1, 1)] * 3  # the keyframe, and without each of the two mentions
    step = [(1, 1), (1, 2), (2, 2)]  # the keyframe, the branch without history, the two with it
    assert sorted(seen) == sorted(looking + 2 * step)


def test_without_weight_there_is_no_branch_without_history() -> None:
    with rows(tiny()) as seen:
        generate([scene(PAST)], Guidance(text=1, history=0))
    assert [shape for shape in seen if shape[1] == 2] == [(1, 2)] * 2


def test_the_trace_is_that_of_the_trained_method() -> None:
    trace = generate([scene("A dog is skiing."), scene(PAST)]).trace
    assert [(item.scene, item.word.text) for item in trace.maps] == [(1, "cat"), (1, "beach")]
    for item in trace.maps:
        assert item.map.shape == (2, 2) and item.map.dtype == np.float32 and item.map.min() >= 0
        assert item.map.sum() == pytest.approx(1, abs=1e-5)
    assert {"text", "history", "text_pull", "history_pull"} == set(trace.guidance[0])


def test_only_patches_that_are_looked_at_have_keys() -> None:
    pipe = tiny()
    latents, text = scene(PAST).latents, scene(PAST).text.hidden
    every = Reference(text, latents, torch.ones(1, 4, dtype=torch.bool))
    some = replace(every, patches=torch.tensor([[True, False, False, True]]))
    with torch.no_grad():
        whole, part, both = (keys_and_values(refs, pipe.backbone, 500) for refs in ([every], [some], [every, some]))
    for (k, v), (k2, v2), (k3, v3) in zip(whole, part, both, strict=True):
        assert torch.equal(k[:, :, [0, 3]], k2) and torch.equal(v[:, :, [0, 3]], v2)
        assert torch.equal(torch.cat([k, k2], 2), k3) and torch.equal(torch.cat([v, v2], 2), v3)


def test_what_the_filter_drops_of_a_scene_is_not_looked_at() -> None:
    pipe = tiny()
    result = pipe.filter([PAST], PROMPT)
    assert {m.text for m in result.scenes[0].kept_mentions} == {"cat", "beach"}
    both = pipe.remember([scene(PAST)], result, pipe.native)
    one = pipe.remember([scene(PAST)], pipe.filter([PAST], "A cat is sleeping."), pipe.native)
    assert torch.equal(one.references[0].patches[0], both.references[0].patches[0])
    assert len(one.references[0].patches) == 1 and len(both.references[0].patches) == 2


def test_what_is_done_has_maps_but_brings_nobody_along() -> None:
    pipe, prompt = tiny(), "The dog is running in the snow."
    memory = pipe.remember([scene(PAST)], pipe.filter([PAST], prompt))
    assert [item.word.text for item in memory.maps] == ["running"] and not memory.remembers
    forgetful, plain = pipe(prompt, [scene(PAST)], **SMALL), pipe(prompt, [], **SMALL)
    assert np.array_equal(forgetful.frames, plain.frames)
    prompt = "The dog is running on the beach."
    [reference] = pipe.remember([scene(PAST)], pipe.filter([PAST], prompt)).references
    assert len(reference.patches) == 1, "the beach"


def test_a_mention_has_the_patches_that_look_at_it_and_depend_on_it() -> None:
    attended, missed = torch.tensor([0.5, 0.4, 0.3, -0.1]), torch.tensor([10.0, 0.4, 0.6, 500.0])
    assert _patches(attended, missed).tolist() == [True, False, True, False]
    assert _patches(torch.zeros(4), missed).tolist() == [False, False, False, True], "nobody looks: dependence decides"
    assert _patches(attended, torch.zeros(4)).tolist() == [True, True, True, False]


def test_a_figure_stands_before_its_ground_and_what_nobody_looks_at_is_left_out() -> None:
    ground = torch.tensor([[True, True, True, False, False, True]])
    figure = torch.tensor([[False, True, False, False, True, False]])
    ones, twos = torch.full((1, 1, 3, 4, 6), 1.0), torch.full((1, 1, 3, 4, 6), 2.0)
    text = torch.zeros(1, 1)
    for order in (
        [Reference(text, ones, ground), Reference(text, twos, figure)],
        [Reference(text, twos, figure), Reference(text, ones, ground)],
    ):
        found = collage(order, 2)
        assert found.latents[0, 0, 0, ::2, ::2].tolist() == [[1, 2, 1], [0, 2, 1]]
        assert torch.equal(found.there, (found.latents[:, :, :1] != 0).float())
        assert found.latents.shape == ones.shape


DECIDED_AT = 1 / (1 + (UNDECIDED / (1 - UNDECIDED)) ** 0.5)  # σ of flow matching where ᾱ is UNDECIDED
NOISE_LEVELS = {  # an undecided one, the last undecided one, a decided one
    "variance preserving": [VariancePreserving(torch.tensor([a])).level(0) for a in (0.0, UNDECIDED, UNDECIDED * 1.1)],
    "flow matching": [FlowMatching(1).level(s) for s in (1.0, DECIDED_AT + 1e-4, DECIDED_AT - 1e-3)],
}


@pytest.mark.parametrize("kind", NOISE_LEVELS)
def test_an_undecided_clip_is_drawn_to_its_references_and_a_decided_one_is_not(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    v, z = (torch.randn(1, 2, 3, 4, 4, generator=generator) for _ in range(2))
    patches = torch.tensor([[True, False, False, False]])
    target = collage([Reference(torch.zeros(1, 1), torch.randn(1, 1, 3, 4, 4, generator=generator), patches)], 2)
    *undecided, decided = NOISE_LEVELS[kind]
    for level in undecided:
        was, now = (level.clean(z, x) for x in (v, drawn(v, z, level, target)))
        torch.testing.assert_close(now.mean(1)[..., :2, :2], target.latents[:, 0, :, :2, :2])
        torch.testing.assert_close(now - now.mean(1, keepdim=True), was - was.mean(1, keepdim=True))
        assert torch.equal(now[..., 2:, :], was[..., 2:, :]) and torch.equal(now[..., 2:], was[..., 2:])
    assert torch.equal(drawn(v, z, decided, target), v)


@st.composite
def pasts(draw) -> tuple[list[HistoryScene], list[HistoryScene]]:
    """The scenes that count, and the same ones in their order among any others."""
    kept = draw(st.lists(st.builds(scene, st.sampled_from(KEPT), st.integers(0, 2)), max_size=3))
    history = list(kept)
    for other in draw(
        st.lists(st.builds(scene, st.sampled_from(FORGOTTEN), st.integers(0, 2)), min_size=1, max_size=4)
    ):
        history.insert(draw(st.integers(0, len(history))), other)
    return kept, history


@settings(max_examples=3)
@given(pasts())
def test_scenes_that_keep_nothing_do_not_change_the_clip_by_one_bit(found) -> None:
    kept, history = found
    assert np.array_equal(generate(kept, steps=1).frames, generate(history, steps=1).frames)


def test_off_is_as_if_there_were_no_past() -> None:
    pipe = tiny()
    memory = pipe.remember([scene(PAST)], pipe.filter([PAST], PROMPT), by="off")
    assert not memory.remembers


def test_a_keyframe_of_another_size_is_made_to_fit() -> None:
    large = tiny().encode_scene(PAST, np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), np.uint8))
    assert generate([large]).trace.maps[0].map.shape == (2, 2)


@pytest.mark.parametrize("kind", checkpoints.KINDS)
def test_stock_weights_remember_by_reference(kind: str, tmp_path: Path) -> None:
    pipe = loading.load(str(checkpoints.save(tmp_path, kind)), device="cpu", dtype="float32")
    alone = pipe("A cat is driving", steps=2)
    past = pipe.encode_scene("The cat is running", alone.frames)
    again, none = pipe("A cat is driving", [past], steps=2), pipe("A dog is riding", [past], steps=2)
    assert not np.array_equal(again.frames, alone.frames)
    assert [item.word.text for item in again.trace.maps] == ["cat"] and again.trace.maps[0].map.shape == (2, 3)
    assert np.array_equal(none.frames, pipe("A dog is riding", steps=2).frames), "nothing is kept of the cat"
