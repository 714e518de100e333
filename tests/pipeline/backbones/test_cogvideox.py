"""Stock CogVideoX checkpoints, small ones: they make what the stock pipeline makes; what does not load says why."""

import json
import shutil
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import CogVideoXImageToVideoPipeline, CogVideoXPipeline
from PIL import Image

from pipeline import loading
from pipeline.backbones.checkpoints import find
from pipeline.backbones.registry import family_of
from pipeline.errors import ThroughlineError, WeightsError
from pipeline.guidance import Guidance
from pipeline.story_pipeline import StoryPipeline
from tests import checkpoints
from tests.checkpoints import FRAMES, FROM_PICTURES, HEIGHT, KINDS, TEXT_LENGTH, WIDTH

PROMPT, PAST = "A cat is driving on the beach", "A cat is running in the snow"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {kind: checkpoints.save(root / kind, kind) for kind in (*KINDS, *FROM_PICTURES)}


@lru_cache
def loaded(folder: Path, history: str | None = None) -> StoryPipeline:
    pipeline = loading.load(str(folder), device="cpu", dtype="float32", history=history)
    assert pipeline.autocast is False
    return pipeline


def stock_clip(folder: Path, output: str, steps: int = 3, **options) -> torch.Tensor:
    stock = CogVideoXPipeline.from_pretrained(folder, local_files_only=True)
    stock.set_progress_bar_config(disable=True)
    seed = torch.Generator().manual_seed(5)
    result = stock(
        PROMPT,
        num_inference_steps=steps,
        max_sequence_length=TEXT_LENGTH,
        generator=seed,
        output_type=output,
        return_dict=False,
        **options,
    )[0]
    return torch.as_tensor(result)[0]


# --- the same as the stock pipeline --------------------------------------------------------------------------------


def test_steps_that_do_not_divide_the_schedule_weights_and_negative_prompts(folders: dict[str, Path]) -> None:
    clip = loaded(folders["2b"])(PROMPT, (), Guidance(text=3.0), steps=7, seed=5, negative_prompt="a blue hat")
    expected = stock_clip(folders["2b"], "np", 7, guidance_scale=3.0, negative_prompt="a blue hat")
    assert np.abs(clip.frames - 255 * expected.numpy()).max() <= 0.51


def test_a_length_that_tokens_do_not_fill_and_another_size(folders: dict[str, Path]) -> None:
    options = {"height": 32, "width": 32, "num_frames": 5}
    for kind in KINDS:
        clip = loaded(folders[kind])(PROMPT, steps=2, seed=5, **options)
        expected = stock_clip(folders[kind], "np", 2, **options)
        assert np.abs(clip.frames - 255 * expected.numpy()).max() <= 0.51


# --- from a picture ------------------------------------------------------------------------------------------------


def picture(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), np.uint8)


@pytest.mark.parametrize("kind, size, frames", [("5b-I2V", (32, 48), 5), ("1.5-I2V", (32, 32), 5)])
def test_from_a_picture_another_length_and_size_are_the_stock_clip(kind, size, frames, folders) -> None:
    """Without padding in 1.5, and with positions that are not learned in 1.0."""
    options = {"height": size[0], "width": size[1], "num_frames": frames}
    stock = CogVideoXImageToVideoPipeline.from_pretrained(folders[kind], local_files_only=True)
    stock.set_progress_bar_config(disable=True)
    expected = stock(
        Image.fromarray(picture(1, *size)[0]), PROMPT, num_inference_steps=2, max_sequence_length=TEXT_LENGTH,
        generator=torch.Generator().manual_seed(5), output_type="np", **options,
    ).frames[0]  # fmt: skip
    clip = loaded(folders[kind])(PROMPT, steps=2, seed=5, beginning=picture(1, *size), **options)
    assert np.abs(clip.frames - 255 * expected).max() <= 0.51


def test_learned_positions_make_clips_of_one_size(folders: dict[str, Path]) -> None:
    ours, other = loaded(folders["5b-I2V"]), loaded(folders["1.5-I2V"])
    assert ours.backbone.limits.sizes(ours.backbone.native) == ((WIDTH, HEIGHT),)
    assert len(other.backbone.limits.sizes(other.backbone.native)) > 1
    for wrong in ({"height": 48}, {"width": 32}, {"height": 48, "width": 32}):
        with pytest.raises(ThroughlineError, match=r" is \d+: expected \d+, this model makes clips of one size"):
            ours.generate(PROMPT, beginning=picture(), **wrong)


def test_the_files_say_which_clips_can_go_on(folders: dict[str, Path]) -> None:
    assert [kind for kind, folder in folders.items() if family_of(folder).continues(folder)] == list(FROM_PICTURES)


# --- what is special to it -----------------------------------------------------------------------------------------


def test_the_filter_reads_with_minilm_and_marks_the_models_own_tokens(folders: dict[str, Path]) -> None:
    ours = loaded(folders["2b"])
    encoding = ours.text.encode(PROMPT)
    assert len(encoding) == TEXT_LENGTH and encoding.hidden.shape == (TEXT_LENGTH, checkpoints.TEXT_WIDTH)
    assert ours.filter.reader.encoder.model is not ours.text_encoder
    covered = {i for start, end in encoding.offsets for i in range(start, end)}
    assert covered == {i for i, letter in enumerate(PROMPT) if letter != " "}


def test_it_makes_no_history_weights(folders: dict[str, Path]) -> None:
    ours = loaded(folders["5b"])
    assert not [name for name in ours.transformer.state_dict() if name.startswith("history_")]
    assert (ours.has_adapter, ours.history) == (False, "reference")


def test_half_precision_is_the_whole_models(folders: dict[str, Path]) -> None:
    ours = loading.load(str(folders["2b"]), device="cpu", dtype="bfloat16")
    assert {m.dtype for m in (ours.transformer, ours.text_encoder, ours.vae)} == {torch.bfloat16}
    assert ours(PROMPT, steps=1).frames.shape == (FRAMES, HEIGHT, WIDTH, 3)


# --- what does not load --------------------------------------------------------------------------------------------


def test_a_trained_history_needs_an_adapter(folders: dict[str, Path]) -> None:
    with pytest.raises(ThroughlineError, match="expected 'reference' or 'off'"):
        loading.load(str(folders["2b"]), device="cpu", history="trained")
    with pytest.raises(ThroughlineError, match="history is 'magic': expected one of trained, reference, off"):
        loading.load(str(folders["2b"]), device="cpu", history="magic")


@pytest.mark.parametrize("kind, channels", [("5b", 8), ("5b-I2V", 9)])
def test_a_model_that_is_told_of_something_else_is_refused(kind, channels, folders, tmp_path: Path) -> None:
    folder = shutil.copytree(folders[kind], tmp_path / "other")
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"in_channels": channels}))
    with pytest.raises(ThroughlineError, match=f"{channels} channels in, 4 out, for a CogVideoX.*: expected as many"):
        loading.load(str(folder), device="cpu")


def test_another_kind_of_model_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["2b"], tmp_path / "other")
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace("T5EncoderModel", "CLIPTextModel"))
    with pytest.raises(ThroughlineError, match="CLIPTextModel as its text_encoder: expected T5EncoderModel"):
        loading.load(str(folder), device="cpu")


def test_a_missing_part_of_the_weights_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["2b"], tmp_path / "part")
    parts = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}}
    (folder / "text_encoder" / "model.safetensors.index.json").write_text(json.dumps(parts))
    with pytest.raises(WeightsError, match=r"no model-00001-of-00002.safetensors in "):
        find(str(folder))


def test_eta_is_refused_where_the_sampler_has_none(folders: dict[str, Path]) -> None:
    with pytest.raises(ThroughlineError, match=r"eta is 0.5: expected 0"):
        loaded(folders["2b"]).generate(PROMPT, eta=0.5)
