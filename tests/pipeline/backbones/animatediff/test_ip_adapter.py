"""Kept mentions as image prompts: as AnimateDiffPipeline reads the same pictures and masks, and where they count."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AnimateDiffPipeline
from diffusers.image_processor import IPAdapterMaskProcessor
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPImageProcessorPil

from pipeline import loading
from pipeline.backbones import checkpoints, hub
from pipeline.backbones.base import Conditions, ImagePrompts
from pipeline.errors import ThroughlineError, WeightsError
from pipeline.generation import SceneRequest
from pipeline.history import Memory, Reference
from pipeline.reference.prompts import GROUND, cut_outs, image_prompts
from pipeline.story_pipeline import StoryPipeline
from tests import image_checkpoints
from tests.image_checkpoints import ADAPTERS, FRAMES, HEIGHT, WIDTH

SMALL = {"height": HEIGHT, "width": WIDTH, "num_frames": FRAMES, "steps": 3}
PROMPT, PAST = "A cat is driving on the beach", "A cat is running in the snow"
SEED = 5


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("prompted")
    return {kind: image_checkpoints.save_prompted(root / kind, kind) for kind in ADAPTERS}


@lru_cache
def loaded(folder: Path) -> StoryPipeline:
    return loading.load(str(folder), device="cpu", dtype="float32")


@pytest.fixture(params=ADAPTERS)
def folder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Path:
    return folders[request.param]


def remembered(pipeline: StoryPipeline) -> tuple[np.ndarray, Memory]:
    keyframe = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    scene = pipeline.encode_scene(PAST, keyframe[None])
    return keyframe, pipeline.remember([scene], pipeline.filter([PAST], PROMPT), replace(pipeline.native, **SMALL))


def ours(pipeline: StoryPipeline, memory: Memory, text: float) -> Tensor:
    """Latents (f, C, h, w) at a weight of the text, and of the history of none."""
    settings = replace(pipeline.native, **SMALL, seed=SEED)
    request = SceneRequest(PROMPT, memory, replace(pipeline.guidance, text=text, history=0.0), settings)
    *_, [(latents, _)] = pipeline.denoiser([request], pipeline._latent_shape(settings))
    return latents[0]


def stock(folder: Path, text: float, pictures: list[np.ndarray], masks: Tensor) -> Tensor:
    """What AnimateDiffPipeline makes, by its own loader, of pictures with masks (r, h, w). Its negative branch is shown
    the same pictures: ours differs from the other in its words alone."""
    pipe: Any = AnimateDiffPipeline.from_pretrained(folder, local_files_only=True)
    pipe.load_ip_adapter(
        str(folder), subfolder="ip_adapter", weight_name="ip-adapter_sd15.safetensors",
        image_encoder_folder="./image_encoder", local_files_only=True,
    )  # fmt: skip
    pipe.feature_extractor = CLIPImageProcessorPil(size=16, crop_size=16)
    pipe.set_progress_bar_config(disable=True)
    shown = [Image.fromarray(one) for one in pictures]
    own = pipe.prepare_ip_adapter_image_embeds([shown], None, torch.device("cpu"), 1, False)
    given = {"ip_adapter_image": [shown]} if text == 1 else {"ip_adapter_image_embeds": [torch.cat([own[0]] * 2)]}
    found = pipe(
        prompt=PROMPT, height=HEIGHT, width=WIDTH, num_frames=FRAMES, num_inference_steps=3, guidance_scale=text,
        generator=torch.Generator().manual_seed(SEED), output_type="latent", return_dict=False,
        cross_attention_kwargs={"ip_adapter_masks": [masks[None]]}, **given,
    )  # fmt: skip
    return torch.as_tensor(found[0])[0].transpose(0, 1)


@pytest.mark.parametrize("text", [1.0, 7.5])
def test_a_clip_with_pictures_is_the_stock_pipelines_with_the_same_pictures_and_masks(text, folder: Path) -> None:
    pipeline = loaded(folder)
    keyframe, memory = remembered(pipeline)
    [reference], prompts = memory.references, image_prompts(memory.references, pipeline.backbone)
    pictures = cut_outs(keyframe, reference.patches, (HEIGHT // 4, WIDTH // 4))
    found, expected = ours(pipeline, memory, text), stock(folder, text, pictures, prompts.masks)
    spread = float(expected.std())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * max(1.0, spread))
    without = ours(pipeline, Memory(None, ()), text)
    assert (found - without).abs().max() > 0.05 * spread


@torch.no_grad()
def test_a_picture_counts_nowhere_but_where_its_mask_is(folders: dict[str, Path]) -> None:
    """In the attention that reads it: what stands beside is told of it by the layers after that."""
    backbone = loaded(folders["plain"]).backbone
    seen: dict[str, Tensor] = {}
    first = backbone.transformer.down_blocks[0].attentions[0].transformer_blocks[0].attn2
    hook = first.register_forward_hook(lambda module, given, result: seen.update(last=result))
    text, z = backbone.text.encode(PROMPT).hidden, torch.randn(1, 2, 4, 16, 24)
    masks = torch.zeros(1, 16, 24)
    masks[:, :, :8] = 1
    tokens = torch.randn(1, 4, text.shape[1])
    plain, told = (
        (backbone.network([Conditions(text, prompts=own)])(z, 500), seen["last"])[1]
        for own in (None, ImagePrompts(tokens, masks))
    )
    hook.remove()
    differs = (told - plain).abs().amax(-1).unflatten(1, (16, 24))
    assert float(differs[:, :, 8:].max()) < 1e-5 and float(differs[:, :, :8].min()) > 1e-4


@torch.no_grad()
def test_rows_with_more_or_fewer_pictures_are_those_alone(folders: dict[str, Path]) -> None:
    backbone = loaded(folders["plain"]).backbone
    text, z = backbone.text.encode(PROMPT).hidden, torch.randn(3, 2, 4, 16, 24)
    rows = [
        Conditions(text, prompts=ImagePrompts(torch.randn(n, 4, text.shape[1]), torch.ones(n, 16, 24)) if n else None)
        for n in (2, 0, 1)
    ]
    found = backbone.network(rows)(z, 500)
    for i, row in enumerate(rows):
        torch.testing.assert_close(found[i : i + 1], backbone.network([row])(z[i : i + 1], 500), rtol=1e-4, atol=1e-4)


def test_history_weighs_what_the_pictures_change(folders: dict[str, Path]) -> None:
    pipeline = loaded(folders["plain"])
    scene = pipeline.encode_scene(PAST, remembered(pipeline)[0][None])
    clips = [
        pipeline(PROMPT, [scene], replace(pipeline.guidance, history=w2), **SMALL, seed=SEED) for w2 in (0.0, 1.5, 4.0)
    ]
    pulls = [[step.get("history_pull", 0.0) for step in clip.trace.guidance] for clip in clips]
    assert not any(pulls[0]) and all(pulls[1]) and all(pulls[2])
    assert all(not np.array_equal(one.frames, other.frames) for one, other in pairwise(clips))


def test_a_mention_is_cut_out_as_a_square_and_nothing_else_of_its_keyframe_is_read() -> None:
    keyframe = np.random.default_rng(1).integers(0, 256, (32, 48, 3), np.uint8)
    patches = torch.zeros(2, 2, 3, dtype=torch.bool)
    patches[0, 0, 1:] = patches[1] = True
    one, whole = cut_outs(keyframe, patches.flatten(1), (2, 3))
    assert one.shape == (32, 32, 3) and np.array_equal(one[8:24], keyframe[:16, 16:])
    assert (one[:8] == GROUND).all() and (one[24:] == GROUND).all()
    assert whole.shape == (48, 48, 3) and np.array_equal(whole[8:40], keyframe)
    other = keyframe.copy()
    other[16:] = 0
    assert np.array_equal(cut_outs(other, patches.flatten(1)[:1], (2, 3))[0], one)


def test_figures_count_before_grounds_where_both_were_looked_at(folders: dict[str, Path]) -> None:
    backbone = loaded(folders["plain"]).backbone
    ground, figure, hidden = (torch.zeros(24, dtype=torch.bool) for _ in range(3))
    ground[:12] = figure[4:6] = hidden[4:6] = True
    text, latents = torch.zeros(1, 1), torch.zeros(1, 1, 4, 8 * backbone.patch // 2, 12 * backbone.patch // 2)
    references = [
        Reference(text, latents, patches, torch.full((len(patches), 4, 16), value))
        for patches, value in ((torch.stack([ground, hidden]), 1.0), (figure[None], 2.0))
    ]
    tokens, masks = image_prompts(references, backbone)
    assert tokens[:, 0, 0].tolist() == [2, 1]  # the later of two as small is before, and hides the other wholly
    assert masks.sum((1, 2)).tolist() == [2 * backbone.patch**2, 10 * backbone.patch**2]
    assert float(masks.sum(0).max()) == 1


def test_masks_fit_every_layer_at_every_size_that_such_models_make() -> None:
    for height, width, scale in product(range(16, 129, 8), range(16, 129, 8), (1, 2, 4, 8)):
        masks, rows, columns = torch.zeros(1, height, width), height // scale, width // scale
        masks[:, :, : width // 2] = 1
        found = IPAdapterMaskProcessor.downsample(masks, 1, rows * columns, 1).unflatten(1, (rows, columns))
        assert torch.allclose(found, found[:, :1].expand_as(found), atol=1e-4), "it is not sheared"


# --- folders ---------------------------------------------------------------------------------------------------------


def test_adapters_that_do_not_fit_or_are_none_are_refused_in_a_line(folders: dict[str, Path], tmp_path: Path) -> None:
    def broken(name: str, change: Any) -> str:
        own = shutil.copytree(folders["plain"], tmp_path / name)
        change(own)
        return str(own)

    weights, file = image_checkpoints.new_ip_adapter(), "ip_adapter/ip-adapter_sd15.safetensors"
    narrow = {name: value[:5] if "to_k_ip" in name else value for name, value in weights.items()}
    shapes = {"norm.weight": 16, "proj.0.weight": (8, 4), "proj.2.weight": (64, 8), "proj.0.bias": 8, "proj.2.bias": 64}
    face = {name: value for name, value in weights.items() if not name.startswith("image_proj.proj")}
    face |= {f"image_proj.{name}": torch.zeros(shape) for name, shape in shapes.items()}
    for name, change, reason in (
        ("none", lambda own: save_file({"a": torch.zeros(1)}, own / file), "is no IP-Adapter: expected weights of"),
        ("half", lambda own: (own / file).write_bytes((own / file).read_bytes()[:999]), "no whole safetensors file"),
        ("two", lambda own: shutil.copy(own / file, own / "ip_adapter/b.safetensors"), "has 2 safetensors files"),
        ("narrow", lambda own: save_file(narrow, own / file), "does not fit the image model"),
        ("face", lambda own: save_file(face, own / file), "has an IPAdapterFaceIDImageProjection: expected"),
        ("blind", lambda own: shutil.rmtree(own / "image_encoder"), "no image_encoder in .*blind"),
    ):
        with pytest.raises(WeightsError, match=reason):
            loading.load(broken(name, change), device="cpu")


def test_three_hub_ids_are_one_model_and_the_third_may_name_a_file(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = image_checkpoints.save_ip_adapter(tmp_path / "adapters" / "models").parent
    parts = {
        "some/image": image_checkpoints.save_image_model(tmp_path / "image"),
        "a/mover": folders["plain"] / "motion_adapter",
        "an/IP-Adapter": adapters,
    }
    asked = dict[str, list[str]]()

    def download(name: str, allow_patterns: list[str], **options: object) -> str:
        asked[name] = allow_patterns
        return str(parts[name])

    monkeypatch.setattr(hub, "snapshot_download", download)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    found = checkpoints.find("some/image+a/mover+an/IP-Adapter")
    assert found == hub.cached("some/image+a/mover+an/IP-Adapter") != checkpoints.find("some/image+a/mover")
    assert asked["an/IP-Adapter"][0] == "models/ip-adapter_sd15.safetensors"
    memory = {name: remembered(loaded(one))[1] for name, one in (("put", found), ("whole", folders["plain"]))}
    own = {name: one.references[0].tokens for name, one in memory.items()}
    torch.testing.assert_close(own["put"], own["whole"])
    with pytest.raises(ThroughlineError, match=r"no IP-Adapter at .*models/other.safetensors: expected that file"):
        checkpoints.find("some/image+a/mover+an/IP-Adapter/other.safetensors")
