"""LTX-Video: what differs from the other families, and folders that are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import loading
from pipeline.errors import ThroughlineError
from pipeline.story_pipeline import StoryPipeline
from tests import ltx_checkpoints


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ltx_checkpoints.save(tmp_path_factory.mktemp("ltx"), "0.9")


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> StoryPipeline:
    return loading.load(str(folder), "cpu", "float32")


def test_larger_clips_have_noisier_steps_and_those_of_no_shape_the_native_ones(pipeline: StoryPipeline) -> None:
    backbone = pipeline.backbone
    shapes = [(1, frames, 6, 16, 22) for frames in (3, 21)]
    small, native = (list(backbone.sampler(8, 0.0, shape).timesteps) for shape in shapes)
    assert native == list(backbone.sampler(8, 0.0).timesteps)
    assert small[0] == native[0] == 1000 and all(a < b for a, b in zip(small[1:-1], native[1:-1], strict=True))
    assert small[-1] == pytest.approx(100) == native[-1]  # `shift_terminal`


def test_padding_of_a_prompt_is_not_seen(pipeline: StoryPipeline) -> None:
    found = pipeline.text.encode("A cat is driving on the beach")
    assert len(found.tokens) == len(found.hidden) < 40 and found.tokens[-1] == "</s>"
    assert found.hidden.untyped_storage().nbytes() == found.hidden.numel() * 4, "it does not hold the padding"


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("model_index.json", {"_class_name": "LTXConditionPipeline"}, "is made for LTXConditionPipeline: expected one"),
        ("model_index.json", {"text_encoder": ["transformers", "UMT5EncoderModel"]}, "UMT5EncoderModel as its text_en"),
        ("transformer/config.json", {"patch_size": 2}, "has a patch_size of 2: expected 1"),
        ("vae/config.json", {"decoder_inject_noise": [True, False]}, "a decoder that draws noise which no seed"),
    ],
)
def test_other_models_with_its_autoencoder_are_refused(
    file: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = ltx_checkpoints.save(tmp_path / "model", "0.9")
    path = model / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ThroughlineError, match=message):
        loading.load(str(model), "cpu", "float32")


def test_a_decoder_that_is_told_a_timestep_is_told_that_latents_are_clean(tmp_path: Path) -> None:
    told = loading.load(str(ltx_checkpoints.save(tmp_path / "model", "0.9.5")), "cpu", "float32")
    z = torch.randn(1, 6, 2, 2, 3, generator=torch.Generator().manual_seed(0))
    mean, std = (x.view(1, -1, 1, 1, 1) for x in (told.vae.latents_mean, told.vae.latents_std))
    clean, noisy = (told.vae.decode(z * std + mean, torch.tensor([t])).sample for t in (0.0, 0.5))
    torch.testing.assert_close(told.latents.decoded(z), clean)
    assert not torch.allclose(clean, noisy, rtol=1e-3, atol=1e-3)
