"""The localiser: what it takes and gives, what it is trained on, and that what it measures is measured rightly."""

import random
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import WeightsError
from pipeline.evaluation.story.accuracy import KEYFRAME, localiser_accuracy
from pipeline.picturebook import renderer
from pipeline.picturebook.localiser import ACTOR, PLACE, THINGS, Localiser
from pipeline.training import stages
from pipeline.training.__main__ import main
from pipeline.training.loop import Recipe
from pipeline.training.models.localiser import RECIPE, lone_scene, render_example, train_localiser


class Truth:
    """Knows the masks of all pictures that it will be shown; `wrong` adds what is wrong with them."""

    def __init__(self, wrong=lambda mask: mask) -> None:
        scenes = [lone_scene(random.Random(f"localiser/bench/0/{i}")) for i in range(12)]
        clips = [renderer.render(scene, frames=(KEYFRAME,)) for scene in scenes]
        self.known = {clip.frames[0].tobytes(): wrong(clip.masks[0]) for clip in clips}

    def masks(self, keyframes):
        return [self.known[picture.tobytes()] for picture in keyframes]


def test_labels_of_pictures_of_any_size() -> None:
    network = Localiser().eval()
    pictures = np.random.default_rng(0).integers(0, 256, (2, 120, 96, 3), np.uint8)
    masks = network.masks(list(pictures))
    assert [mask.shape for mask in masks] == [(renderer.HEIGHT, renderer.WIDTH)] * 2
    assert {*np.unique(masks)} <= {PLACE, ACTOR, THINGS}
    assert network.masks([]) == []


def test_a_picture_is_read_alike_alone_and_among_others() -> None:
    network = Localiser().eval()
    pictures = list(np.random.default_rng(0).integers(0, 256, (3, 96, 144, 3), np.uint8))
    differing = network.masks(pictures[1:2])[0] != network.masks(pictures)[1]
    assert differing.mean() < 0.001


def test_the_truth_is_right_and_an_empty_stage_misses_every_actor() -> None:
    assert set(localiser_accuracy(Truth(), 0, clips=12).values()) == {1.0}
    empty = localiser_accuracy(Truth(np.zeros_like), 0, clips=12)
    assert empty["actor pixels"] == empty["things pixels"] == empty["actor 0 patches"] == 0
    assert 0.5 < empty["place pixels"] < 1


def test_examples_show_lone_actors_and_seldom_nobody() -> None:
    examples = [render_example(random.Random(i)) for i in range(60)]
    assert all(p.shape == (96, 144, 3) and m.shape == (96, 144) for p, m in examples)
    empty = [not mask.any() for _, mask in examples]
    assert 0 < sum(empty) < 12
    assert set(np.unique([mask for _, mask in examples])) == {PLACE, ACTOR, THINGS}


def test_trained_it_finds_some_of_the_actor(tmp_path: Path) -> None:
    recipe = Recipe("localiser", 12, 3e-3, 4, warmup=2, average=0.5)
    torch.manual_seed(0)
    steps = list(train_localiser(tmp_path / "work", tmp_path / "out", recipe, pictures=4))
    assert steps[-1][1]["loss"] < 0.7 * steps[0][1]["loss"]
    loaded = Localiser.load(tmp_path / "out")
    assert loaded.dtype == torch.float32 and not loaded.training
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) < 1_000_000
    with pytest.raises(WeightsError, match="nosuch"):
        Localiser.load(tmp_path / "nosuch")


def test_its_stage_writes_it_beside_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPE, steps=2, batch_size=2)
    for _ in train_localiser(tmp_path / "work", tmp_path / "direct", recipe, pictures=4):
        pass
    monkeypatch.setattr(stages.localiser, "train_localiser", partial(train_localiser, pictures=4))
    folders = ["--out", str(tmp_path / "runs"), "--assets", str(tmp_path / "assets"), "--device", "cpu"]
    assert main(["localiser", "--steps", "2", "--batch-size", "2", *folders]) == 0
    weights = "diffusion_pytorch_model.safetensors"
    written = (tmp_path / "assets/reader/localiser" / weights).read_bytes()
    assert written == (tmp_path / "direct" / weights).read_bytes()
