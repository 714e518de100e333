"""Weights in 8-bit floats: how far what is predicted is from the whole weights', and how much memory they take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline import loading
from pipeline.backbones.base import Conditions
from pipeline.backbones.placement import gibibytes
from pipeline.errors import WeightsError
from pipeline.story_pipeline import StoryPipeline
from tests import checkpoints, image_checkpoints, ltx2_checkpoints, ltx_checkpoints, wan_checkpoints

PROMPT, PAST = "A cat is driving on the beach", "A cat is running in the snow"
FAMILIES: dict[str, tuple[Callable[[Path], Path], tuple[int, ...], dict[str, int]]] = {  # latents, a small clip
    "cogvideox": (
        lambda folder: checkpoints.save(folder, "5b"),
        (1, 3, 4, 4, 6),
        {"height": checkpoints.HEIGHT, "width": checkpoints.WIDTH, "num_frames": checkpoints.FRAMES, "steps": 2},
    ),
    "wan": (
        lambda folder: wan_checkpoints.save(folder, "2.2-A14B"),
        (1, 2, 4, 4, 6),
        {"height": wan_checkpoints.HEIGHT, "width": wan_checkpoints.WIDTH, "num_frames": 5, "steps": 2},
    ),
    "ltx": (
        lambda folder: ltx_checkpoints.save(folder, "0.9"),
        (1, 2, 6, 2, 3),
        {"height": ltx_checkpoints.HEIGHT, "width": ltx_checkpoints.WIDTH, "num_frames": 9, "steps": 2},
    ),
    "ltx2": (
        lambda folder: ltx2_checkpoints.save(folder, "2.0"),
        (1, 2, 6, 2, 3),
        {"height": ltx2_checkpoints.HEIGHT, "width": ltx2_checkpoints.WIDTH, "num_frames": 9, "steps": 2},
    ),
    "animatediff": (
        lambda folder: image_checkpoints.save(folder, "ddim"),
        (1, 2, 4, 4, 4),
        {"height": image_checkpoints.HEIGHT, "width": image_checkpoints.WIDTH, "num_frames": 4, "steps": 2},
    ),
}

# errors, as shares of what is predicted
MOST = {"cogvideox": 0.06, "wan": 0.04, "ltx": 0.12, "ltx2": 0.12, "animatediff": 0.08}


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, FAMILIES[request.param][0](tmp_path_factory.mktemp(request.param))


def load(folder: Path, **options: Any) -> StoryPipeline:
    return loading.load(str(folder), "cpu", "bfloat16", **options)


@torch.no_grad()
def test_what_is_predicted_is_within_a_few_percent(case: tuple[str, Path]) -> None:
    name, folder = case
    whole, fewer = (loading.load(str(folder), "cpu", "float32", weights=weights) for weights in ("full", "float8"))
    assert fewer.placement.said == ["memory fast (auto): weights in 8-bit floats"]
    z = torch.randn(FAMILIES[name][1], generator=torch.Generator().manual_seed(0))
    texts = [pipeline.text.encode(PROMPT).hidden for pipeline in (whole, fewer)]
    for t in (950, 500, 100):
        expected, found = (p.backbone.network([Conditions(texts[0])])(z, t) for p in (whole, fewer))
        assert 0 < (found - expected).norm() / expected.norm() < MOST[name]
    assert 0 < (texts[1] - texts[0]).norm() / texts[0].norm() < MOST[name]


def test_layers_take_half_of_what_they_took(case: tuple[str, Path]) -> None:
    _, folder = case
    whole, fewer = (load(folder, weights=weights) for weights in ("full", "float8"))
    for name in whole.backbone.quantizable:
        before, after = getattr(whole, name), getattr(fewer, name)
        if before is None:
            continue
        layers = [key for key, weight in after.state_dict().items() if weight.dtype == torch.float8_e4m3fn]
        own, kept = ({key: w for key, w in module.state_dict().items() if key in layers} for module in (before, after))
        assert _bytes(kept) * 2 == _bytes(own) > 0
        saved = _bytes(own) - _bytes(kept)
        assert (gibibytes(before) - gibibytes(after)) * 2**30 == pytest.approx(saved)
        matrices = [key for key, w in before.state_dict().items() if w.ndim > 1 and "to_q" in key]
        assert set(matrices) <= set(layers)


def _bytes(weights: dict[str, torch.Tensor]) -> int:
    return sum(weight.numel() * weight.element_size() for weight in weights.values())


def test_clips_are_made_and_scenes_remembered(case: tuple[str, Path]) -> None:
    name, folder = case
    small = FAMILIES[name][2]
    for memory in ("fast", "low"):
        pipeline = load(folder, weights="float8", memory=memory)
        one, again = (pipeline(PROMPT, **small, seed=1).frames for _ in range(2))
        assert np.array_equal(one, again)
        scene = pipeline.encode_scene(PAST, one)
        assert not np.array_equal(pipeline(PROMPT, [scene], **small, seed=1).frames, one)
    assert pipeline.placement.said == ["memory low: weights in 8-bit floats, clips decoded in tiles"]


# --- files that have such weights ------------------------------------------------------------------------------------


def in_float8(folder: Path, scale: bool = False) -> Path:
    """A checkpoint whose transformer has its matrices in E4M3, as published ones do."""
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = {k: w.to(torch.float8_e4m3fn) if w.ndim == 2 else w for k, w in load_file(path).items()}
    if scale:
        weights["transformer_blocks.0.attn1.to_q.scale_weight"] = torch.ones(())
    save_file(weights, path)
    return folder


def test_a_published_file_is_read_and_stays_small_where_asked(tmp_path: Path) -> None:
    folder = in_float8(checkpoints.save(tmp_path, "5b"))
    whole, fewer = (load(folder, weights=weights) for weights in ("auto", "float8"))
    stored = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    name = "transformer_blocks.0.attn1.to_q.weight"
    assert torch.equal(whole.transformer.state_dict()[name], stored[name].to(torch.bfloat16))
    assert torch.equal(fewer.transformer.state_dict()[name].view(torch.uint8), stored[name].view(torch.uint8))
    row, z = Conditions(whole.text.encode(PROMPT).hidden), torch.randn(1, 3, 4, 4, 6)
    with torch.no_grad():
        one, two = (pipeline.backbone.network([row])(z, 500) for pipeline in (whole, fewer))
    assert (one - two).norm() / one.norm() < 0.05


def test_a_file_with_scales_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = in_float8(checkpoints.save(tmp_path, "5b"), scale=True)
    with pytest.raises(WeightsError, match=r"has weights in 8 bits with scales \(transformer_blocks.*scale_weight\)"):
        load(folder)
