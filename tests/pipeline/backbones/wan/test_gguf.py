"""Weights in GGUF: what is put together by name, what is kept in few bits, and what is said of files that are none."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.quantizers.gguf.utils import GGUFLinear

from pipeline import loading
from pipeline.backbones import checkpoints, hub, lora
from pipeline.backbones.pairs import put_gguf
from pipeline.backbones.placement import gibibytes
from pipeline.errors import ThroughlineError, WeightsError
from tests import checkpoints as cogvideox
from tests import wan_checkpoints
from tests.wan_checkpoints import FRAMES, HEIGHT, WIDTH, wide_transformer, write_gguf

SMALL = {"height": HEIGHT, "width": WIDTH, "num_frames": FRAMES, "steps": 2}
PROMPT = "A cat is driving on the beach"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its weights as they are published, of which files in GGUF are made."""
    folder = wan_checkpoints.save(tmp_path_factory.mktemp("base") / "wan", "2.1")
    wide_transformer().save_pretrained(folder / "transformer")
    return folder


@pytest.fixture(scope="module")
def file(base: Path) -> Path:
    return write_gguf(base.parent / "wan-Q8_0.gguf", wide_transformer())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_base_and_a_file_make_nearly_the_clip_of_the_base_in_a_third_of_the_memory(
    base: Path, file: Path, cache: Path
) -> None:
    whole, eight = (loading.load(name, "cpu", "float32") for name in (str(base), f"{base}+{file}"))
    assert isinstance(eight.transformer.blocks[0].attn1.to_q, GGUFLinear)
    assert gibibytes(eight.transformer.blocks) < 0.4 * gibibytes(whole.transformer.blocks)
    one, other = (pipeline(PROMPT, **SMALL).frames.astype(int) for pipeline in (whole, eight))
    assert 0 < np.abs(one - other).mean() < 0.05 * one.std()
    found = checkpoints.find(f"{base}+{file}")
    assert found.is_relative_to(cache) and not list((found / "transformer").glob("*.safetensors"))
    assert checkpoints.digest(found) != checkpoints.digest(base)


def test_of_a_hub_id_all_is_downloaded_but_what_the_file_is_in_place_of(
    base: Path, file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def download(name: str, **options: Any) -> str:
        asked[name] = options
        return str(base if name == "some/wan" else file.parent)

    monkeypatch.setattr(hub, "snapshot_download", download)
    found = checkpoints.find("some/wan+a/shared/wan-Q8_0.gguf")
    assert found == checkpoints.find(f"{base}+{file}") and checkpoints.gguf_of(found / "transformer")
    assert "transformer/*.safetensors*" in asked["some/wan"]["ignore_patterns"]
    assert asked["a/shared"]["allow_patterns"] == ["wan-Q8_0.gguf"]
    assert hub.is_hub_name("some/wan+a/shared/wan-Q8_0.gguf") and not hub.is_hub_name("wan.gguf")


def test_what_cannot_be_put_together_is_refused_in_a_line(base: Path, file: Path, cache: Path, tmp_path: Path) -> None:
    for name, reason in (
        (str(file), r"expected BASE\+.*wan-Q8_0.gguf, BASE the folder or hub id of its other parts"),
        (f"{base}+{tmp_path / 'none.gguf'}", "no file .*none.gguf.*: expected a .gguf file, here or as OWNER"),
        (f"{base}+{file}+{file}", "2 files in GGUF: expected 1, for transformer"),
    ):
        with pytest.raises(ThroughlineError, match=reason):
            checkpoints.find(name)
    other = cogvideox.save(tmp_path / "cogvideox", "2b")
    with pytest.raises(ThroughlineError, match="with AutoencoderKLCogVideoX: expected a model of Wan's"):
        put_gguf(other, [file], cache)


def test_files_that_are_none_or_lack_weights_are_refused(base: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "none.gguf").write_bytes(b"no such thing")
    with pytest.raises(WeightsError, match=r"none.gguf is no GGUF file: expected one that begins with GGUF"):
        loading.load(f"{base}+{tmp_path / 'none.gguf'}", "cpu")
    part = write_gguf(tmp_path / "part.gguf", wide_transformer(), left_out="blocks.1.attn1.to_q.weight")
    with pytest.raises(WeightsError, match=r"part.gguf lacks weights, expected all weights of a"):
        loading.load(f"{base}+{part}", "cpu")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(part.read_bytes()[:3000])
    with pytest.raises(WeightsError, match="cannot be loaded"):
        loading.load(f"{base}+{cut}", "cpu")


def test_without_the_package_it_is_said_what_to_install(
    base: Path, file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "gguf" else usual(name, *rest))
    with pytest.raises(ThroughlineError, match=r"gguf is not installed, which wan-Q8_0.gguf needs.*pip install gguf"):
        loading.load(f"{base}+{file}", "cpu")


def test_loras_are_not_merged_into_it(base: Path, file: Path, cache: Path, tmp_path: Path) -> None:
    stack = [lora.Lora(tmp_path / "style.safetensors")]
    with pytest.raises(ThroughlineError, match=r"transformer has wan-Q8_0.gguf: expected safetensors, to merge"):
        lora.merge(checkpoints.find(f"{base}+{file}"), tmp_path / "merged", stack)


def test_a_model_of_two_experts_takes_two_files(file: Path, cache: Path, tmp_path: Path) -> None:
    folder = wan_checkpoints.save(tmp_path / "two", "2.2-A14B")
    for name in ("transformer", "transformer_2"):
        shutil.rmtree(folder / name)
        wide_transformer().save_pretrained(folder / name)
    pipeline = loading.load(f"{folder}+{file}+{file}", "cpu", "float32")
    for expert in (pipeline.transformer, pipeline.transformer_2):
        assert isinstance(expert.blocks[1].ffn.net[2], GGUFLinear) and expert.dtype == torch.float32
