"""DINOv2 and CLIP for the meter: tiny checkpoints in the layout of the real ones, made here."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    PreTrainedTokenizerFast,
)

from pipeline.continuity.measurement import Gauge
from pipeline.encoders import vision_models
from pipeline.errors import ThroughlineError, WeightsError
from tests.tiny import tiny_pipeline

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 24, 36, 3), np.uint8)
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
WORDS = ("[UNK]", "[PAD]", "[EOS]", "a", "cat", "on", "the", "beach")


@pytest.fixture(scope="module", params=["dinov2", "registers", "clip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        {"dinov2": save_dinov2, "registers": save_registers, "clip": save_clip}[request.param](path)
    return path


def save_dinov2(path: Path) -> None:
    Dinov2Model(Dinov2Config(**SMALL, image_size=42, patch_size=14)).save_pretrained(path)


def save_registers(path: Path) -> None:
    config = Dinov2WithRegistersConfig(**SMALL, image_size=42, patch_size=14, num_register_tokens=4)
    Dinov2WithRegistersModel(config).save_pretrained(path)


def save_clip(path: Path) -> None:
    text = CLIPTextConfig(
        **SMALL, intermediate_size=32, vocab_size=len(WORDS), eos_token_id=2, max_position_embeddings=8
    )
    vision = CLIPVisionConfig(**SMALL, intermediate_size=32, image_size=24, patch_size=8)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=12)
    CLIPModel(config).save_pretrained(path)
    tokens = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = Whitespace()
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "eos_token": "[EOS]"}
    PreTrainedTokenizerFast(tokenizer_object=tokens, **names).save_pretrained(path)


def maps_at(row: int, column: int) -> torch.Tensor:
    """One region of a 3 x 3 grid."""
    maps = torch.zeros(len(FRAMES), 1, 3, 3)
    maps[:, :, row, column] = 1
    return maps


def test_a_region_is_the_patches_that_its_map_lies_on(folder: Path) -> None:
    encoder = vision_models.load(str(folder))
    assert encoder.side == 3
    corner, centre = (encoder.regions(FRAMES, maps_at(i, i)) for i in (0, 1))
    everywhere = encoder.regions(FRAMES, torch.full((len(FRAMES), 1, 3, 3), 1 / 9))
    patches = encoder._patches(FRAMES)
    assert patches.shape == (3, 9, 16), "neither the class token nor registers"
    assert torch.allclose(corner[0], patches[:, 0].mean(0), atol=1e-5)
    assert torch.allclose(centre[0], patches[:, 4].mean(0), atol=1e-5)
    assert torch.allclose(everywhere[0], patches.mean((0, 1)), atol=1e-5)


def test_only_clip_reads_text(folder: Path) -> None:
    encoder = vision_models.load(str(folder))
    cat = encoder.agreement(FRAMES, "a cat")
    if encoder.tokenizer is None:
        assert cat is None
    else:
        assert -1 <= cat <= 1 and cat != encoder.agreement(FRAMES, "the beach")
        assert encoder.agreement(FRAMES, "cat " * 50) is not None, "cut, as CLIP's texts are"


def test_the_gauge_measures_with_it(folder: Path) -> None:
    pipeline = tiny_pipeline()
    own, other = Gauge(pipeline), Gauge(pipeline, vision_models.load(str(folder)))
    a, b = (gauge.read(FRAMES, "A cat is on the beach.", [[(2, 5)], [(16, 21)]]) for gauge in (own, other))
    assert [r.look.shape for r in b.regions] == [(16,), (16,)]
    assert [r.evidence for r in a.regions] == [r.evidence for r in b.regions], "the gate is the model's own"
    assert a.motion == b.motion and own.fingerprint() != other.fingerprint()


def test_it_is_found_in_the_hubs_cache(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--facebook--dinov2-base" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--facebook--dinov2-base" / "refs").mkdir()
    (tmp_path / "models--facebook--dinov2-base" / "refs" / "main").write_text("abc")
    save_dinov2(snapshot)
    assert vision_models.find("dinov2", tmp_path) == vision_models.find("facebook/dinov2-base", tmp_path) == snapshot
    assert vision_models.load("dinov2", cache_folder=tmp_path).name == "dinov2"


@pytest.mark.parametrize("name", ["dinov2", "clip", "nobody/nothing", "no such folder", "", "../.."])
def test_what_is_not_there_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match=r"image encoder is .*expected 'own', 'dinov2'") as error:
        vision_models.load(name, cache_folder=tmp_path)
    assert "\n" not in str(error.value)


def test_other_models_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ThroughlineError, match="is a 'bert': expected one of clip"):
        vision_models.load(str(tmp_path))
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ThroughlineError, match="names no model_type"):
        vision_models.load(str(tmp_path))
    save_dinov2(tmp_path)
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(WeightsError, match="cannot be loaded"):
        vision_models.load(str(tmp_path))
    (tmp_path / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        vision_models.load(str(tmp_path))
