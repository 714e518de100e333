"""Names to pipelines."""

import shutil
from pathlib import Path

import pytest
import torch

from pipeline import loading
from pipeline.backbones import checkpoints
from pipeline.errors import ThroughlineError, WeightsError
from pipeline.story_pipeline import StoryPipeline
from tests.paths import ROOT
from tests.tiny import save_tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("assets") / "picturebook")


def test_picturebook_is_the_embedded_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THROUGHLINE_ASSETS", raising=False)
    assert checkpoints.assets_folder() == ROOT / "assets"
    monkeypatch.setenv("THROUGHLINE_ASSETS", str(folder.parent))
    assert checkpoints.find() == folder
    assert isinstance(loading.load(), StoryPipeline)


def test_a_local_folder_is_a_model(folder: Path) -> None:
    pipeline = loading.load(str(folder), device="cpu")
    assert pipeline.transformer.dtype == torch.float32
    assert pipeline.text.max_tokens == 64


def test_precision_is_the_transformers_alone(folder: Path) -> None:
    pipeline = loading.load(str(folder), device="cpu", dtype="bfloat16")
    assert pipeline.transformer.dtype == torch.bfloat16
    others = (pipeline.text_encoder, pipeline.image_encoder, pipeline.extractor, pipeline.decoupler, pipeline.vae)
    assert {other.dtype for other in others} == {torch.float32}
    assert pipeline("A cat.", height=48, width=48, num_frames=1, steps=1).frames.shape == (1, 48, 48, 3)


@pytest.mark.parametrize("name", ["giant", "", "picturebook/", "some/repository"])
def test_other_names_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ThroughlineError, match=f"model is '{name}': expected 'picturebook'"):
        checkpoints.find(name)


def test_embedded_weights_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THROUGHLINE_ASSETS", str(tmp_path))
    with pytest.raises(WeightsError, match="'picturebook' is not there"):
        loading.load()


@pytest.mark.parametrize("component", ["transformer", "vae", "image_encoder", "extractor", "decoupler"])
def test_damaged_weights_are_found_before_anything_is_loaded(component: str, folder: Path, tmp_path: Path) -> None:
    model = shutil.copytree(folder, tmp_path / "model")
    weights = next((model / component).glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=f"{component}.* no whole safetensors file"):
        checkpoints.find(str(model))


def test_weights_of_another_shape_are_refused(folder: Path, tmp_path: Path) -> None:
    model = shutil.copytree(folder, tmp_path / "model")
    for name in ("transformer", "decoupler"):
        (model / name / "diffusion_pytorch_model.safetensors").unlink()
        shutil.copy(model / "extractor" / "diffusion_pytorch_model.safetensors", model / name)
    with pytest.raises(WeightsError, match="cannot be loaded: "):
        loading.load(str(model), device="cpu")


@pytest.mark.parametrize("device", ["abacus", "cuda:77", "meta"])
def test_devices_that_are_not_here(device: str, folder: Path) -> None:
    with pytest.raises(ThroughlineError, match=f"device is '{device}'"):
        loading.load(str(folder), device=device)


def test_unknown_precision(folder: Path) -> None:
    with pytest.raises(ThroughlineError, match="dtype is 'int3'"):
        loading.load(str(folder), device="cpu", dtype="int3")


def test_the_network_for_known_frames_counts_apart_and_not_the_first_that_shipped(folder: Path, tmp_path: Path) -> None:
    assert checkpoints.continuation_digest(ROOT / "assets" / "picturebook") is None, "takes of it do not tell of it"
    model = tmp_path / "model"
    shutil.copytree(folder, model)
    assert checkpoints.continuation_digest(model) is None
    shutil.copytree(model / "transformer", model / "continuation")
    before = checkpoints.digest(model), checkpoints.continuation_digest(model)
    config = model / "continuation" / "config.json"
    config.write_text(config.read_text() + " ")
    after = checkpoints.digest(model), checkpoints.continuation_digest(model)
    assert None not in (before[1], after[1]) and before[0] == after[0] and before[1] != after[1]
