"""Checkpoints that lack something, or whose values are no numbers: refused by name, never made up, never filmed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline import loading
from pipeline.backbones.checkpoints import find, stored_dtype, variant
from pipeline.errors import ThroughlineError, WeightsError
from tests import checkpoints

PROMPT = "A cat is driving on the beach"
WEIGHTS = {
    "transformer": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.save(tmp_path_factory.mktemp("whole") / "model", "2b")


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "model")


def change(path: Path, by: float = 1.0, dtype: torch.dtype = torch.float32) -> None:
    weights = {name: (value * by).to(dtype).clone() for name, value in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})


@pytest.mark.parametrize("component", ["tokenizer", "scheduler", *WEIGHTS])
def test_a_component_that_is_not_there_is_named(component: str, model: Path) -> None:
    shutil.rmtree(model / component)
    with pytest.raises(WeightsError, match=f"no {component} in "):
        loading.load(str(model), device="cpu")


@pytest.mark.parametrize("component", ["tokenizer", "scheduler", *WEIGHTS])
def test_an_empty_component_is_named(component: str, model: Path) -> None:
    for path in (model / component).iterdir():
        path.unlink()
    with pytest.raises(WeightsError, match=f"no .* in .*{component}"):
        loading.load(str(model), device="cpu")


@pytest.mark.parametrize("component", WEIGHTS)
def test_a_missing_configuration_is_named(component: str, model: Path) -> None:
    (model / component / "config.json").unlink()
    with pytest.raises(WeightsError, match=rf"no config\.json in .*{component}"):
        find(str(model))


@pytest.mark.parametrize("component", ["transformer", "vae"])
@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_values_that_are_not_finite_stop_the_scene(component: str, factor: float, model: Path) -> None:
    change(model / component / WEIGHTS[component], factor)
    pipeline = loading.load(str(model), device="cpu")
    with pytest.raises(ThroughlineError, match=r"values that are not finite \(torch\.float32\): try .*--dtype"):
        pipeline(PROMPT, steps=2)


def test_weights_in_half_precision_alone_load(whole: Path, model: Path) -> None:
    for component, file in WEIGHTS.items():
        change(model / component / file, dtype=torch.float16)
    expected = loading.load(str(model), device="cpu")(PROMPT, steps=2, seed=3).frames
    for component, file in WEIGHTS.items():
        (model / component / file).rename(model / component / file.replace(".safetensors", ".fp16.safetensors"))
    assert variant(model / "transformer") == "fp16" and variant(whole / "transformer") is None
    assert np.array_equal(loading.load(str(model), device="cpu")(PROMPT, steps=2, seed=3).frames, expected)


def test_half_precision_is_not_chosen_for_weights_in_bfloat16(whole: Path, model: Path) -> None:
    change(model / "transformer" / WEIGHTS["transformer"], dtype=torch.bfloat16)
    assert (stored_dtype(model / "transformer"), stored_dtype(whole / "transformer")) == ("BF16", "F32")
    assert loading._without_bfloat16(model) == torch.float32
    assert loading._without_bfloat16(whole) == torch.float16
