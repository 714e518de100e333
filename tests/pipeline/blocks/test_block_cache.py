"""First-block caching and the fast profile: what is passed over, and that nothing leaks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import loading
from pipeline.blocks import block_cache
from pipeline.blocks.attention import AttentionContext
from pipeline.blocks.block_cache import EXACT, BlockCache, Speed
from pipeline.errors import ThroughlineError
from pipeline.evaluation import fast
from pipeline.guidance import Guidance
from pipeline.history import HistoryScene
from pipeline.story_pipeline import Clip, StoryPipeline
from pipeline.transformer import StoryTransformer3DModel
from tests import checkpoints
from tests.tiny import DIM, tiny_pipeline, tiny_transformer

PROMPT, FEW = "A cat walks on the beach.", {"height": 48, "width": 72, "num_frames": 5, "steps": 6}
LAZY, EAGER = Speed(threshold=1e9), Speed(threshold=1e-9)


@pytest.fixture
def pipeline() -> StoryPipeline:
    return tiny_pipeline()


@pytest.fixture
def past(pipeline: StoryPipeline) -> list[HistoryScene]:
    return [pipeline.encode_scene("A cat runs on the beach.", np.full((1, 48, 72, 3), 90, np.uint8))]


def made(pipeline: StoryPipeline, past: list[HistoryScene], speed: Speed, **options: object) -> Clip:
    pipeline.denoiser.speed = speed
    clip = pipeline(PROMPT, past, **{**FEW, **options})
    pipeline.denoiser.speed = EXACT
    return clip


def test_exact_is_bit_identical_and_so_is_a_cache_that_never_holds(
    pipeline: StoryPipeline, past: list[HistoryScene]
) -> None:
    exact = pipeline(PROMPT, past, **FEW)
    assert pipeline.speed == "exact"
    assert np.array_equal(made(pipeline, past, EAGER).frames, exact.frames)


def test_a_cache_that_always_holds_changes_the_clip_and_leaves_the_next_one_alone(
    pipeline: StoryPipeline, past: list[HistoryScene]
) -> None:
    exact = pipeline(PROMPT, past, **FEW)
    lazy = made(pipeline, past, LAZY)
    assert not np.array_equal(lazy.frames, exact.frames)
    assert np.array_equal(pipeline(PROMPT, past, **FEW).frames, exact.frames)
    assert np.array_equal(made(pipeline, past, LAZY).frames, lazy.frames)


def test_a_cancelled_clip_leaves_nothing_behind(pipeline: StoryPipeline, past: list[HistoryScene]) -> None:
    lazy = made(pipeline, past, LAZY)
    pipeline.denoiser.speed = LAZY
    steps = pipeline.generate("A dog sits in the snow.", (), **FEW)
    next(steps)
    next(steps)
    steps.close()
    assert np.array_equal(pipeline(PROMPT, past, **FEW).frames, lazy.frames)


def test_branches_and_shots_of_a_batch_do_not_share_caches(pipeline: StoryPipeline, past: list[HistoryScene]) -> None:
    """Each row of a cached batch is what it is alone, though others of the batch pass blocks over."""
    model = tiny_transformer().eval()
    torch.manual_seed(0)
    rows = 3
    inputs = {"text": torch.randn(rows, 6, 384), "past": torch.randn(rows, 4, DIM)}
    base = torch.randn(rows, 2, 16, 4, 6)
    steps = [base * scale for scale in (1.0, 1.01, 1.02, 1.03)]
    steps[2][1] = torch.randn(2, 16, 4, 6)  # this one row changes much where the others do not

    def run(chosen: slice) -> list[torch.Tensor]:
        caches = [BlockCache(0.2) for _ in range(rows)[chosen]]
        mask = torch.ones(rows, 6, dtype=torch.bool)[chosen]
        with torch.no_grad():
            outs = [
                model(
                    z[chosen],
                    inputs["text"][chosen],
                    torch.full((len(caches),), 500),
                    context=AttentionContext(text_mask=mask),
                    history=inputs["past"][chosen],
                    caches=caches,
                ).sample
                for z in steps
            ]
        passed.append([cache.passed for cache in caches])
        return outs

    passed: list[list[int]] = []
    together = run(slice(None))
    for row in range(rows):
        for alone, batch in zip(run(slice(row, row + 1)), together, strict=True):
            torch.testing.assert_close(batch[row : row + 1], alone, rtol=1e-4, atol=1e-5)
    assert [own for (own,) in passed[1:]] == passed[0] and len(set(passed[0])) > 1 and max(passed[0]) > 0


def test_a_branch_that_was_left_out_begins_anew() -> None:
    caches = block_cache.Caches(Speed(threshold=0.1, until=0.8))
    caches.begin([(0, "full"), (0, "negative")])
    full, negative = caches.of([(0, "full"), (0, "negative")]) or []
    caches.begin([(0, "full")])
    caches.begin([(0, "full"), (0, "negative")])
    kept, anew = caches.of([(0, "full"), (0, "negative")]) or []
    assert kept is full and anew is not negative
    caches.begin([(0, "full")], 0.8)
    assert caches.of([(0, "full")]) is None
    assert block_cache.Caches(EXACT).of([]) is None


def test_the_fast_profile_ends_guidance_earlier_and_passes_blocks_over(
    pipeline: StoryPipeline, past: list[HistoryScene]
) -> None:
    clip = made(pipeline, past, Speed(end=0.5))
    assert [(g["text"], g["history"]) for g in clip.trace.guidance] == [(3.0, 3.0)] * 3 + [(1.0, 0.0)] * 3
    narrow = Guidance(start=0.1, end=0.3)
    assert Speed(end=0.5).guiding(narrow) is narrow and EXACT.guiding(Guidance()) == Guidance()
    assert Speed(end=0.5).guiding(Guidance(start=0.7)).start == 0.5
    pipeline.speed = "fast"
    assert pipeline.speed == "fast" and pipeline.denoiser.speed == block_cache.SPEEDS["fast"]
    with pytest.raises(ThroughlineError, match="speed is 'faster': expected one of exact, fast"):
        pipeline.speed = "faster"


def test_what_is_not_a_number_is_computed() -> None:
    cache, nothing = BlockCache(0.5), torch.zeros(2, 3)
    cache.keep(nothing, nothing)
    assert cache.is_due(nothing)


@pytest.mark.parametrize("low_memory", [True, False])
def test_a_stock_checkpoint_opened_for_history_begins_behind_gates_of_zero(low_memory: bool, tmp_path: Path) -> None:
    folder = checkpoints.save(tmp_path / "2b", "2b") / "transformer"
    options = {"use_safetensors": True, "local_files_only": True, "low_cpu_mem_usage": low_memory}
    model = StoryTransformer3DModel.from_pretrained(folder, history_dim=12, dtype=torch.bfloat16, **options)
    stock = StoryTransformer3DModel.from_pretrained(folder, history_dim=0, dtype=torch.bfloat16, **options)
    own = {name: value for name, value in model.named_parameters() if name.startswith("history_")}
    assert all(value.device.type == "cpu" and value.dtype == torch.bfloat16 for value in own.values())
    assert all(float(value.detach().abs().max()) < 1 for value in own.values())  # made-up memory is not
    assert all(not value.any() for name, value in own.items() if name.endswith("gate"))
    inputs = (torch.randn(1, 3, 4, 4, 6).bfloat16(), torch.randn(1, 40, 16).bfloat16(), torch.tensor([500]))
    with torch.no_grad():
        remembered = model(*inputs, history=torch.randn(1, 5, 12).bfloat16()).sample
        torch.testing.assert_close(remembered, stock(*inputs).sample, rtol=0.05, atol=0.05)


def test_ssim_is_one_for_the_same_and_falls_with_what_differs() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 24, 32, 3)).astype(np.uint8)
    blurred = np.stack([frames[0] // 2 + 64, frames[1]])
    assert fast.ssim(frames, frames) == pytest.approx(1)
    assert fast.ssim(frames, 255 - frames) < 0 < fast.ssim(frames, blurred) < 0.95


@pytest.mark.slow
def test_the_fast_profile_of_the_embedded_model_is_near_the_exact_one_and_does_less() -> None:
    found = fast.compare(loading.load("picturebook"), 0)
    assert found.ssim >= fast.LEAST and found.blocks < 0.7
