"""What is VACE's own: a second stream, which is told what stock pipelines tell it, and shown only what was kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanVACEPipeline, WanVACETransformer3DModel
from PIL import Image

from pipeline import loading
from pipeline.backbones.base import Conditions
from pipeline.backbones.wan.vace import StoryWanVACETransformer3DModel
from pipeline.blocks.attention import AttentionContext
from pipeline.blocks.block_cache import BlockCache
from pipeline.reference.attention import cut_out
from pipeline.story_pipeline import StoryPipeline
from tests import wan_checkpoints
from tests.checkpoints import TEXT_WIDTH
from tests.wan_checkpoints import FRAMES, HEIGHT, WIDTH

PROMPT, PAST = "A cat is driving on the beach", "A cat is running in the snow"
SMALL = {"height": HEIGHT, "width": WIDTH, "num_frames": FRAMES, "steps": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wan_checkpoints.save(tmp_path_factory.mktemp("vace") / "model", "VACE")


@pytest.fixture(scope="module")
def ours(folder: Path) -> StoryPipeline:
    return loading.load(str(folder), device="cpu", dtype="float32")


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, HEIGHT, WIDTH, 3), np.uint8)


@torch.no_grad()
def test_our_own_forward_is_the_stock_one() -> None:
    torch.manual_seed(3)
    stock = wan_checkpoints.new_vace_transformer()
    model = StoryWanVACETransformer3DModel.from_config(stock.config).eval()
    model.load_state_dict(stock.state_dict())
    given = (torch.randn(2, 4, 2, 4, 6), torch.tensor([700.0, 20.0]), torch.randn(2, 9, TEXT_WIDTH))
    control = torch.randn(2, 72, 2, 4, 6)
    assert isinstance(stock, WanVACETransformer3DModel)
    expected = stock(*given, control_hidden_states=control).sample
    told = AttentionContext(text_mask=torch.ones(2, 9, dtype=torch.bool), witness=lambda q, k, v: None)
    for options in ({"context": told}, {"caches": [BlockCache(0.1), BlockCache(0.1)]}):
        found = model(*given, control_hidden_states=control, **options).sample
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(model(*given, control_hidden_states=control).sample, expected)


@torch.no_grad()
def test_a_keyframe_of_which_all_was_kept_is_told_as_a_reference_image_is(folder: Path, ours: StoryPipeline) -> None:
    stock = WanVACEPipeline.from_pretrained(folder, local_files_only=True)
    given = stock.preprocess_conditions(
        None, None, Image.fromarray(picture()[0]), 1, HEIGHT, WIDTH, FRAMES, torch.float32, torch.device("cpu")
    )
    expected = torch.cat([stock.prepare_video_latents(*given), stock.prepare_masks(*given[1:])], dim=1)
    latents = ours.latents.encode(picture()[0])[0]
    keyframe = torch.cat([latents, torch.ones_like(latents[:, :1])], dim=1)[None]
    control, shown = ours.backbone.controls(torch.zeros(1, 4, 2, HEIGHT // 8, WIDTH // 8), keyframe)
    torch.testing.assert_close(control, expected, rtol=1e-4, atol=1e-4)
    assert shown is not None and shown.shape == (1, 4, 1, HEIGHT // 8, WIDTH // 8)


@torch.no_grad()
def test_what_no_kept_mention_looks_at_is_white(ours: StoryPipeline) -> None:
    def told(own: np.ndarray) -> torch.Tensor:
        scene = ours.encode_scene(PAST, own)
        memory = ours.remember([scene], ours.filter([PAST], PROMPT), replace(ours.native, **SMALL))
        return cut_out(memory.references, ours.backbone.patch)

    keyframes = told(picture())
    kept = keyframes[:, -1:]
    assert 0 < kept.mean() < 1
    other = keyframes.clone()
    other[:, :-1] += 9 * (1 - kept)  # what the latents are elsewhere is of no account
    text, z = ours.backbone.text.encode(PROMPT).hidden, torch.randn(1, 2, 4, HEIGHT // 8, WIDTH // 8)
    one, two, none = (
        ours.backbone.network([Conditions(text, keyframes=shown)])(z, 500) for shown in (keyframes, other, None)
    )
    assert torch.equal(one, two) and one.shape == none.shape and not torch.allclose(one, none)


@torch.no_grad()
def test_rows_that_are_shown_more_or_fewer_keyframes_are_those_alone(ours: StoryPipeline) -> None:
    text, z = ours.backbone.text.encode(PROMPT).hidden, torch.randn(3, 2, 4, HEIGHT // 8, WIDTH // 8)
    rows = [Conditions(text, keyframes=torch.ones(n, 5, HEIGHT // 8, WIDTH // 8) if n else None) for n in (2, 0, 1)]
    found = ours.backbone.network(rows)(z, 500)
    for i, row in enumerate(rows):
        alone = ours.backbone.network([row])(z[i : i + 1], 500)
        torch.testing.assert_close(found[i : i + 1], alone, rtol=1e-4, atol=1e-5)
