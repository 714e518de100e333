"""The original method's folder layout becomes ours, and a pickle that is more than tensors is never run."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline import loading
from pipeline.backbones import convert
from pipeline.errors import ThroughlineError, WeightsError
from tests import checkpoints

PROMPT = "A cat is driving"


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.save(tmp_path_factory.mktemp("stock") / "5b", "5b")


@pytest.fixture
def original(stock: Path, tmp_path: Path) -> Path:
    """The stock checkpoint as the original code saves it, with its transformer as a pickle."""
    folder = checkpoints.copy(stock, tmp_path / "original")
    transformer = (folder / "transformer").rename(folder / "transformer_t2v")
    weights = transformer / "diffusion_pytorch_model.safetensors"
    torch.save({"module": load_file(weights)}, transformer / "diffusion_pytorch_model.bin")
    weights.unlink()
    (folder / "feature_extractor").mkdir()
    torch.save({"state_dict": {"module.to_q.weight": torch.ones(2, 3)}}, folder / "feature_extractor" / "state.pth")
    index = json.loads((folder / "model_index.json").read_text())
    index["transformer_t2v"] = ["models.story", "StoryTransformer"]
    del index["transformer"]
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "OriginalPipeline"}))
    return folder


def test_converted_it_makes_the_clips_of_the_same_weights(original: Path, stock: Path, tmp_path: Path, capsys) -> None:
    assert convert.main([str(original), str(tmp_path / "ours")]) == 0
    said = capsys.readouterr().out
    assert "transformer_t2v -> transformer" in said and said.count("read with weights_only=True") == 2
    clips = [loading.load(str(f), device="cpu", dtype="float32")(PROMPT, steps=2) for f in (tmp_path / "ours", stock)]
    assert np.array_equal(clips[0].frames, clips[1].frames)


def test_no_pickle_is_left_and_the_extractors_tensors_are_kept(original: Path, tmp_path: Path) -> None:
    convert.convert(original, tmp_path / "ours")
    assert not [path for path in (tmp_path / "ours").rglob("*") if path.suffix in convert.PICKLES]
    kept = load_file(tmp_path / "ours" / "original_feature_extractor" / convert.USUAL)
    assert torch.equal(kept["to_q.weight"], torch.ones(2, 3))


class Trap:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_that_runs_code_is_refused_and_leaves_nothing(original: Path, tmp_path: Path, capsys) -> None:
    torch.save(Trap(tmp_path / "sprung"), original / "feature_extractor" / "state.pth")
    assert convert.main([str(original), str(tmp_path / "ours")]) == 2
    assert "cannot be read with weights_only=True: expected tensors alone" in capsys.readouterr().err
    assert not (tmp_path / "sprung").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["original"]


def test_what_is_no_state_dictionary_is_refused(original: Path, tmp_path: Path) -> None:
    torch.save({"weights": torch.ones(1), "epoch": 3}, original / "feature_extractor" / "state.pth")
    with pytest.raises(WeightsError, match="holds other things than tensors"):
        convert.convert(original, tmp_path / "ours")


def test_other_layouts_and_places_that_are_taken_are_refused(original: Path, stock: Path, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match=r"expected model_index.json and a folder transformer_t2v"):
        convert.convert(stock, tmp_path / "ours")
    with pytest.raises(ThroughlineError, match="which exists: expected a new folder"):
        convert.convert(original, tmp_path)
