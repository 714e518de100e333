"""The pipeline on a tiny model: steps and clip, determinism, branches, what is encoded how often, exactness."""

import pickle
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from pipeline.guidance import Guidance
from pipeline.history import HistoryScene, Memory, remember
from pipeline.story_pipeline import Clip, Step, StoryPipeline
from tests.tiny import save_tiny, tiny_pipeline

PAST, PROMPT = "A cat is running on the beach.", "The cat is jumping on the beach."
SMALL = {"height": 48, "width": 48, "num_frames": 5, "steps": 2}


@lru_cache(maxsize=1)
def tiny() -> StoryPipeline:
    return tiny_pipeline()


@lru_cache(maxsize=256)
def scene(prompt: str, look: int = 0) -> HistoryScene:
    """A past scene whose clip is noise, another for each `look`."""
    return tiny().encode_scene(prompt, np.random.default_rng(look).integers(0, 256, (1, 48, 48, 3), np.uint8))


@contextmanager
def calls(module: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """What a module is called with, its first tensor, while the block runs."""
    seen = list[torch.Tensor]()

    def note(_: object, args: tuple, kwargs: dict) -> None:
        seen.append(next(value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)))

    hook = module.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        hook.remove()


def generate(history: list[HistoryScene], guidance: Guidance | None = None, prompt: str = PROMPT, **changes) -> Clip:
    return tiny()(prompt, history, guidance, **SMALL | changes)


# --- a generation --------------------------------------------------------------------------------------------------


def test_steps_then_a_clip() -> None:
    *steps, clip = tiny().generate(PROMPT, **SMALL | {"steps": 3})
    assert all(isinstance(step, Step) for step in steps) and isinstance(clip, Clip)
    assert [(step.index, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    for frames in (*(step.preview for step in steps), clip.frames):
        assert frames.shape == (5, 48, 48, 3) and frames.dtype == np.uint8
    assert set(clip.trace.seconds) == {"history", "denoise", "decode"}
    assert np.array_equal(steps[-1].preview, clip.frames), "the tiny autoencoder has no sharpener"


def test_a_preview_is_decoded_when_it_is_looked_at_once_and_travels_between_processes(monkeypatch) -> None:
    pipe, decoded = tiny(), []
    real = pipe.latents.preview
    monkeypatch.setattr(pipe.latents, "preview", lambda latents: decoded.append(1) or real(latents))
    first, second, _ = pipe.generate(PROMPT, **SMALL | {"steps": 2})
    assert not decoded
    assert second.preview is second.preview and len(decoded) == 1
    other = pickle.loads(pickle.dumps(first))
    assert len(decoded) == 2 and other.index == 1 and np.array_equal(other.preview, first.preview)


@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_same_seed_same_clip_also_after_a_cancelled_run(eta: float) -> None:
    first = generate([scene(PAST)], seed=3, eta=eta)
    cancelled = tiny().generate(PROMPT, [scene(PAST)], **SMALL | {"steps": 4, "seed": 9, "eta": eta})
    next(cancelled), next(cancelled)
    cancelled.close()
    torch.manual_seed(99)  # the global generator has no part in it
    assert np.array_equal(generate([scene(PAST)], seed=3, eta=eta).frames, first.frames)
    assert not np.array_equal(generate([scene(PAST)], seed=4, eta=eta).frames, first.frames)


@pytest.mark.parametrize(
    "w1, w2, remembers, rows",
    [
        (3, 1, True, 3),
        (1, 1, True, 2),
        (3, 0, True, 2),
        (1, 0, True, 1),
        (0, 0, True, 1),
        (0, 1, True, 3),
        (3, 1, False, 2),
        (1, 1, False, 1),
        (3, 0, False, 2),
    ],
)
def test_a_branch_of_weight_zero_is_not_computed(w1: float, w2: float, remembers: bool, rows: int) -> None:
    with calls(tiny().transformer) as seen:
        generate([scene(PAST)] if remembers else [], Guidance(text=w1, history=w2))
    assert [len(batch) for batch in seen] == [rows, rows]


def test_the_window_of_the_guidance_saves_branches() -> None:
    with calls(tiny().transformer) as seen:
        generate([scene(PAST)], Guidance(start=0.25, end=0.75), steps=4)
    assert [len(batch) for batch in seen] == [1, 3, 3, 1]


def test_history_changes_the_clip_and_its_weight_too() -> None:
    clips = [
        generate([]),
        generate([scene(PAST)]),
        generate([scene(PAST, 1)]),
        generate([scene(PAST)], Guidance(history=0.5)),
    ]
    assert all(not np.array_equal(a.frames, b.frames) for i, a in enumerate(clips) for b in clips[:i])


def test_one_map_a_kept_word_each_sums_to_one() -> None:
    trace = generate([scene("A dog is skiing."), scene(PAST)]).trace
    assert [(item.scene, item.word.text) for item in trace.maps] == [(1, "cat"), (1, "beach")]
    for item in trace.maps:
        assert item.map.shape == (4, 4) and item.map.min() >= 0
        assert item.map.sum() == pytest.approx(1, abs=1e-5)


def test_the_trace_has_the_norms_of_each_step() -> None:
    first, second = generate([]).trace.guidance, generate([scene(PAST)], Guidance(text=2, history=0.5)).trace.guidance
    assert [set(step) for step in first] == [{"text", "history", "text_pull"}] * 2
    assert [set(step) for step in second] == [{"text", "history", "text_pull", "history_pull"}] * 2
    assert (second[0]["text"], second[0]["history"]) == (2, 0.5) and second[0]["history_pull"] > 0


# --- what is encoded how often -------------------------------------------------------------------------------------


def test_a_past_scene_is_encoded_once_in_its_life() -> None:
    prompts = [f"A {animal} is sleeping on the beach." for animal in ("cow", "frog", "goose", "camel", "tiger")]
    history = list[HistoryScene]()
    with calls(tiny().image_encoder.vision_model) as pictures, calls(tiny().text_encoder) as texts:
        for index, prompt in enumerate(prompts):
            clip, before = generate(history, prompt=prompt), len(texts)
            history.append(tiny().encode_scene(prompt, clip.frames))
            assert len(pictures) == index + 1, "generating looks at no picture"
            assert len(texts) == before, "a prompt is encoded when it is generated, not again when it is past"
        often = Counter(tuple(ids.flatten().tolist()) for ids in texts)
        assert max(often.values()) <= 2, "no text is encoded again but by the other encoder, the filter's"
        pictures.clear(), texts.clear()
        generate(history, prompt=prompts[-1])
        assert (pictures, texts) == ([], [])


def test_the_keyframe_is_the_middle_one_or_the_chosen_one() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 48, 48, 3), np.uint8)
    assert np.array_equal(tiny().encode_scene(PAST, frames).keyframe, frames[2])
    chosen = tiny().encode_scene(PAST, frames, keyframe=4)
    assert np.array_equal(chosen.keyframe, frames[4])
    assert torch.equal(chosen.patches, tiny().encode_scene(PAST, frames[4:]).patches)


# --- exactness -----------------------------------------------------------------------------------------------------

FORGOTTEN = (
    "A dog is skiing on the snow.",
    "A robot is reading in the library.",
    "Mia is cooking soup.",
    "It rains.",
    "Two birds sit in the old tree.",
    "A man in a red coat is dancing.",
    "狗在骑自行车。",
)
KEPT = (PAST, "A cat is sleeping.", "A girl is waiting on the beach.")


def conditioning(history: list[HistoryScene]) -> Memory:
    pipe = tiny()
    result = pipe.filter([past.prompt for past in history], PROMPT)
    assert set(result.contributing) == {i for i, past in enumerate(history) if past.prompt in KEPT}
    return remember(history, result, pipe.text.encode(PROMPT), pipe.extractor, pipe.decoupler)


def same(a: Memory, b: Memory) -> bool:
    tokens = a.tokens is b.tokens is None or (
        a.tokens is not None and b.tokens is not None and torch.equal(a.tokens, b.tokens)
    )
    return tokens and [x.map.tobytes() for x in a.maps] == [x.map.tobytes() for x in b.maps]


@st.composite
def pasts(draw) -> tuple[list[HistoryScene], list[HistoryScene]]:
    """The scenes that count, and the same ones in their order among any others."""
    kept = draw(st.lists(st.builds(scene, st.sampled_from(KEPT), st.integers(0, 2)), max_size=3))
    history = list(kept)
    for other in draw(
        st.lists(st.builds(scene, st.sampled_from(FORGOTTEN), st.integers(0, 2)), min_size=1, max_size=5)
    ):
        history.insert(draw(st.integers(0, len(history))), other)
    return kept, history


@settings(max_examples=40)
@given(pasts())
def test_scenes_that_keep_nothing_do_not_change_the_conditioning_by_one_bit(found) -> None:
    kept, history = found
    assert same(conditioning(kept), conditioning(history))


@settings(max_examples=5)
@given(pasts())
def test_scenes_that_keep_nothing_do_not_change_the_clip_by_one_bit(found) -> None:
    kept, history = found
    assert np.array_equal(generate(kept, steps=1).frames, generate(history, steps=1).frames)


def test_scenes_that_are_kept_do_change_the_conditioning() -> None:
    assert not same(conditioning([scene(PAST)]), conditioning([scene(PAST, 1)]))
    assert not same(conditioning([scene(PAST)]), conditioning([scene(PAST), scene(KEPT[1])]))


# --- folders and bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text_encoder", [False, True])
def test_saved_and_loaded_it_makes_the_same_clip(text_encoder: bool, tmp_path: Path) -> None:
    tiny_pipeline().save_pretrained(tmp_path, text_encoder=text_encoder)
    assert (tmp_path / "text_encoder").exists() == text_encoder
    loaded = StoryPipeline.from_pretrained(tmp_path)
    assert np.array_equal(loaded(PROMPT, [scene(PAST)], **SMALL).frames, generate([scene(PAST)]).frames)
    assert not list(tmp_path.rglob("*.bin"))


def test_save_tiny_leaves_the_text_encoder_out(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tiny")
    assert {path.name for path in folder.iterdir()} == {
        "model_index.json",
        "image_encoder",
        "extractor",
        "decoupler",
        "transformer",
        "vae",
        "scheduler",
    }


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"prompt": ""}, "prompt is ''"),
        ({"prompt": "cat " * 70}, "72 tokens, at most 64"),
        ({"negative_prompt": "cat " * 70}, "72 tokens, at most 64"),
        ({"height": 40}, "height is 40: expected a multiple of 24 from 48 to 480"),
        ({"width": 0}, "width is 0"),
        ({"num_frames": 0}, "num_frames is 0"),
        ({"num_frames": 165}, "num_frames is 165"),
        ({"steps": 0}, "steps is 0"),
        ({"eta": float("nan")}, "eta is nan"),
    ],
)
def test_what_it_cannot_make_is_refused_before_the_first_step(changes: dict, message: str) -> None:
    with pytest.raises(ThroughlineError, match=message):
        tiny().generate(**{"prompt": PROMPT} | SMALL | changes)


def test_frames_that_are_none_are_refused() -> None:
    for frames in (np.zeros((0, 8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3), np.float32)):
        with pytest.raises(ThroughlineError, match=r"expected frames \(F, H, W, 3\) of uint8"):
            tiny().encode_scene(PAST, frames)


def test_scenes_without_end_take_no_more_branches() -> None:
    """The cost of a step does not grow with the past."""
    history = [scene(KEPT[i % 3], i) for i, _ in zip(count(), range(6), strict=False)]
    with calls(tiny().transformer) as seen:
        generate(history)
    assert [len(batch) for batch in seen] == [3, 3]
