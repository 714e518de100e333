"""What is an image model's own: layers at several resolutions, a motion adapter beside its parts, folders refused."""

import json
import shutil
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import loading
from pipeline.backbones import checkpoints, hub
from pipeline.backbones.base import Conditions
from pipeline.backbones.pairs import put_together
from pipeline.backbones.registry import family_of
from pipeline.blocks.grids import at_grid, clip_at_grid, sides
from pipeline.errors import ThroughlineError, WeightsError
from pipeline.generation import Strength
from pipeline.reference.attention import Attention, keys_and_values
from pipeline.story_pipeline import StoryPipeline
from tests import image_checkpoints
from tests.image_checkpoints import FRAMES, HEIGHT, WIDTH

SMALL = {"height": HEIGHT, "width": WIDTH, "num_frames": FRAMES, "steps": 3}
PROMPT, PAST = "A cat is driving on the beach", "A cat is running in the snow"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_checkpoints.save(tmp_path_factory.mktemp("animatediff") / "moved")


@lru_cache
def loaded(folder: Path) -> StoryPipeline:
    return loading.load(str(folder), device="cpu", dtype="float32")


# --- layers at several resolutions -----------------------------------------------------------------------------------


def test_cells_of_one_grid_are_those_of_another() -> None:
    x = torch.arange(6.0)[None]
    assert sides(24, (2, 3)) == (4, 6) and sides(6, (4, 6)) == (2, 3)
    fine = at_grid(x, (2, 3), (4, 6))
    assert fine.unflatten(1, (4, 6))[0, :2, :2].tolist() == [[0, 0], [0, 0]]
    assert torch.equal(at_grid(fine, (4, 6), (2, 3)), x)
    clip = torch.cat([fine, fine + 1], dim=1)
    assert torch.equal(clip_at_grid(clip, (2, 2, 3)), torch.cat([x, x + 1], dim=1))


@torch.no_grad()
def test_a_witness_sees_every_spatial_block_in_the_order_in_which_it_is_asked(folder: Path) -> None:
    backbone = loaded(folder).backbone
    text, z = backbone.text.encode(PROMPT).hidden, torch.randn(1, 2, 4, 16, 24)
    seen = Attention(len(text), [], [])
    told = backbone.network([Conditions(text)], witness=seen)(z, 300)
    assert [look.shape for look in seen.looks] == [(77, 2 * n) for n in (384, 96, 24, 96, 96, 384, 384)]
    for look in seen.looks:
        torch.testing.assert_close(look.sum(0), torch.ones(look.shape[1]))
    torch.testing.assert_close(told, backbone.network([Conditions(text)])(z, 300), rtol=1e-3, atol=1e-3)


def test_only_tokens_that_lie_wholly_in_kept_patches_can_be_looked_at(folder: Path) -> None:
    pipeline = loaded(folder)
    scene = pipeline.encode_scene(PAST, np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3), np.uint8))
    memory = pipeline.remember([scene], pipeline.filter([PAST], PROMPT), pipeline.native)
    kept = memory.references[0].patches.any(0)
    with torch.no_grad():
        found = keys_and_values(memory.references, pipeline.backbone, 500)
    fine, same, coarse = (found[i][0].shape[2] for i in (0, 1, 2))
    assert (fine, same) == (4 * int(kept.sum()), int(kept.sum())) and 4 * coarse <= same


def test_a_word_of_no_strength_changes_the_clip_and_one_as_it_is_read_does_not(folder: Path) -> None:
    ours, start = loaded(folder), PROMPT.index("beach")
    plain, same, hidden = (
        ours(PROMPT, strengths=(Strength(start, start + 5, factor),) if factor is not None else (), **SMALL)
        for factor in (None, 1.0, 0.0)
    )
    assert np.abs(plain.frames.astype(int) - same.frames).max() <= 1
    assert not np.array_equal(plain.frames, hidden.frames)


# --- folders ---------------------------------------------------------------------------------------------------------


def test_an_image_model_and_a_motion_adapter_make_the_same_clip_as_both_in_one(folder: Path, tmp_path: Path) -> None:
    image = image_checkpoints.save_image_model(tmp_path / "image")
    pair = put_together(image, folder / "motion_adapter", tmp_path / "pairs")
    assert put_together(image, folder / "motion_adapter", tmp_path / "pairs") == pair
    assert family_of(pair).native(pair) == loaded(folder).backbone.native
    assert np.array_equal(loaded(pair)(PROMPT, **SMALL).frames, loaded(folder)(PROMPT, **SMALL).frames)
    with pytest.raises(ThroughlineError, match="is a AutoencoderKL: expected a MotionAdapter"):
        put_together(image, folder / "vae", tmp_path / "pairs")
    assert list((tmp_path / "pairs").iterdir()) == [pair]


def test_two_hub_ids_are_one_model(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"some/image": image_checkpoints.save_image_model(tmp_path / "image"), "a/mover": folder / "motion_adapter"}
    monkeypatch.setattr(hub, "snapshot_download", lambda name, **options: str(parts[name]))
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    assert hub.is_hub_name("some/image+a/mover") and not hub.is_hub_name("some/image+") and hub.is_hub_name("a/b")
    assert hub.is_hub_name("a/b+c/d+e/f") and not hub.is_hub_name("a/b+c/d+e/f+g/h")
    found = checkpoints.find("some/image+a/mover")
    assert found == hub.cached("some/image+a/mover") and found.is_relative_to(tmp_path / "cache")
    assert family_of(found).name == "animatediff"


def test_an_image_model_alone_is_refused_and_so_are_weights_that_lack_some(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match="makes pictures: expected a motion_adapter beside its parts"):
        loading.load(str(image_checkpoints.save_image_model(tmp_path / "image")), device="cpu")
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(folder, tmp_path / "broken")
    path = broken / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    del weights["conv_in.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"its unet lacks 'conv_in.weight'"):
        loading.load(str(broken), device="cpu")


@pytest.mark.parametrize(
    "file, values, reason",
    [
        ("unet/config.json", {"in_channels": 9}, "9 channels in, 4 out: expected a text-to-video model"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "class of Stable Diffusion XL: expected 1.5 or 2"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "from its sample: expected DDIMScheduler"),
        ("model_index.json", {"scheduler": ["diffusers", "PNDMScheduler"]}, "sampled by PNDMScheduler"),
        ("model_index.json", {"text_encoder": ["transformers", "T5EncoderModel"]}, "expected CLIPTextModel"),
        ("model_index.json", {"unet": ["diffusers", "UNet3DConditionModel"]}, "expected UNetMotionModel or"),
    ],
)
def test_other_models_with_the_autoencoder_are_refused(file, values, reason, folder: Path, tmp_path: Path) -> None:
    path = shutil.copytree(folder, tmp_path / "other") / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(ThroughlineError, match=reason):
        loading.load(str(tmp_path / "other"), device="cpu")


def test_more_steps_than_a_scheduler_takes_are_refused_in_a_line(tmp_path: Path) -> None:
    few = loaded(image_checkpoints.save(tmp_path / "few", "lcm"))
    assert (few.native.steps, few.guidance.text) == (6, 2.0)
    with pytest.raises(ThroughlineError, match="steps is 60: expected a number that the model's LCMScheduler takes"):
        few(PROMPT, **SMALL | {"steps": 60})
