"""Memory: what is chosen for which card, and what happens when it runs out. Cards are made up; there is no GPU here."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import loading
from pipeline.backbones import placement
from pipeline.backbones.base import Conditions
from pipeline.backbones.placement import GIB, Card
from pipeline.errors import ThroughlineError
from pipeline.story_pipeline import Clip, Step, StoryPipeline
from tests import checkpoints
from tests.tiny import tiny_pipeline

PROMPT = "A cat is running."
SMALL = {"height": 48, "width": 48, "num_frames": 5, "steps": 3}


@pytest.fixture
def tiny() -> StoryPipeline:
    pipeline = tiny_pipeline()
    pipeline.placement.place(pipeline, "fast", torch.device("cpu"))
    return pipeline


def run_out(pipeline: StoryPipeline, monkeypatch: pytest.MonkeyPatch, calls: set[int]) -> None:
    """The transformer runs out of memory at these calls, counted from 1 over all clips."""
    forward, count = pipeline.transformer.forward, iter(range(1, 1000))

    def short_of_memory(*args, **kwargs):
        if next(count) in calls:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.\nmore")
        return forward(*args, **kwargs)

    monkeypatch.setattr(pipeline.transformer, "forward", short_of_memory)


def test_out_of_memory_starts_the_scene_again_one_step_down(tiny, monkeypatch) -> None:
    expected = tiny(PROMPT, **SMALL).frames
    run_out(tiny, monkeypatch, {2})
    *steps, clip = tiny.generate(PROMPT, **SMALL)
    assert [step.index for step in steps if isinstance(step, Step)] == [1, 1, 2, 3]
    assert [step.notice is not None for step in steps] == [False, True, True, True]
    assert steps[-1].notice.startswith("memory ran out with fast: the scene starts again with balanced")
    assert isinstance(clip, Clip) and clip.trace.notices == (steps[-1].notice,)
    assert np.array_equal(clip.frames, expected), "the seed starts again too"
    assert tiny.placement.name == "balanced"


def test_it_goes_down_as_far_as_it_must_and_stays_there(tiny, monkeypatch) -> None:
    run_out(tiny, monkeypatch, {1, 2})
    assert len(tiny(PROMPT, **SMALL).trace.notices) == 2
    assert tiny.placement.name == "low"
    assert tiny(PROMPT, **SMALL).trace.notices == ()


def test_on_the_last_step_it_is_an_error_and_the_process_lives(tiny, monkeypatch) -> None:
    run_out(tiny, monkeypatch, {1, 2, 3})
    with pytest.raises(ThroughlineError, match="memory ran out with low, the last step: expected a smaller or shorter"):
        tiny(PROMPT, **SMALL)
    assert tiny(PROMPT, **SMALL).frames.shape == (5, 48, 48, 3)


def test_a_cancelled_scene_is_no_lack_of_memory(tiny) -> None:
    steps = tiny.generate(PROMPT, **SMALL)
    next(steps)
    steps.close()
    assert tiny.placement.name == "fast"


@pytest.mark.parametrize("free, expected", [(0.0, "low"), (1.0, "fast")])
def test_auto_goes_by_what_is_free(tiny, free: float, expected: str) -> None:
    assert placement.choose("auto", tiny, Card("made up", free)) == expected
    assert placement.choose("balanced", tiny, Card("made up", free)) == "balanced"


def test_auto_takes_one_model_at_a_time_where_not_all_fit(tiny) -> None:
    largest = max(placement.gibibytes(module) for module in tiny.components.values())
    card = Card("made up", largest + 1.5 * placement.activations(tiny))
    assert placement.choose("auto", tiny, card) == "balanced"


def test_without_a_card_nothing_is_saved_unless_asked_for(tiny) -> None:
    assert placement.choose("auto", tiny, None) == "fast"
    assert placement.find_card(torch.device("cpu")) is None


def test_it_says_what_it_chose(tmp_path: Path) -> None:
    pipeline = loading.load(str(checkpoints.save(tmp_path, "2b")), device="cpu", memory="balanced")
    assert pipeline.placement.said == ["memory balanced: clips decoded in tiles"]
    assert pipeline.vae.use_tiling and pipeline.vae.use_slicing
    assert pipeline(PROMPT, steps=1).frames.shape == (checkpoints.FRAMES, checkpoints.HEIGHT, checkpoints.WIDTH, 3)
    with pytest.raises(ThroughlineError, match="memory is 'huge': expected one of auto, fast, balanced, low"):
        loading.load(str(tmp_path), device="cpu", memory="huge")


def test_eight_bits_through_torchao(tmp_path: Path) -> None:
    pytest.importorskip("torchao", reason="optional: pip install torchao")
    folder = str(checkpoints.save(tmp_path, "5b"))
    tiled, low = (loading.load(folder, device="cpu", dtype="float32", memory=m) for m in ("balanced", "low"))
    assert low.placement.said == ["memory low: weights in 8-bit integers, clips decoded in tiles"]
    x, row = torch.randn(1, 3, 4, 4, 6), Conditions(torch.randn(checkpoints.TEXT_LENGTH, checkpoints.TEXT_WIDTH))
    with torch.no_grad():
        whole, small = (p.backbone.network([row])(x, 500) for p in (tiled, low))
    error = (small - whole).norm() / whole.norm()
    assert 0 < error < 0.05
    assert low(PROMPT, steps=1).frames.shape == (checkpoints.FRAMES, checkpoints.HEIGHT, checkpoints.WIDTH, 3)


def test_without_torchao_it_says_so(tiny, monkeypatch) -> None:
    monkeypatch.setattr(placement.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(tiny.backbone, "quantizable", ("transformer",))
    assert placement.quantize(tiny, None) == "weights as they are (8 bits need: pip install torchao)"


def test_asking_for_8_bit_integers_needs_torchao_and_nonsense_is_refused(tiny, monkeypatch) -> None:
    monkeypatch.setattr(placement.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ThroughlineError, match="weights is 'int8': expected torchao to be installed"):
        tiny.placement.place(tiny, "fast", torch.device("cpu"), "int8")
    with pytest.raises(ThroughlineError, match="weights is 'int4': expected one of auto, full, int8, float8"):
        tiny.placement.place(tiny, "fast", torch.device("cpu"), "int4")


def test_full_weights_stay_as_they_are_with_little_memory(tmp_path: Path) -> None:
    folder = str(checkpoints.save(tmp_path, "2b"))
    low = loading.load(folder, "cpu", "float32", memory="low", weights="full")
    assert low.placement.said == ["memory low: weights as they are, clips decoded in tiles"]
    assert low.transformer.transformer_blocks[0].attn1.to_q.weight.dtype == torch.float32


def test_gibibytes_are_those_of_the_weights() -> None:
    assert placement.gibibytes(torch.nn.Linear(1024, 1024, bias=False)) * GIB == 4 * 2**20
