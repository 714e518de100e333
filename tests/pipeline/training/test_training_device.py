"""Every stage of the training trains where it is told to: nothing is left behind on the CPU, and the losses agree."""

import contextlib
import copy
import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pipeline.backbones.cogvideox import CogVideoXBackbone
from pipeline.decoupler import Decoupler
from pipeline.feature_extractor import FeatureExtractor
from pipeline.training import loop, stages
from pipeline.training.dataset import shards
from pipeline.training.finetune import cost, modes, tasks
from pipeline.training.models import extractor, generator, image_encoder, reader, sharpener, vae
from pipeline.transformer import StoryTransformer3DModel
from tests import checkpoints
from tests.pipeline.training.second_device import SECOND, SecondDevice, SecondDeviceTensor

CPU = torch.device("cpu")
SHARPENER = ("sharpener", "sharpener-judged")  # regression, then beside a critic


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a training that has its autoencoder and a training set of three stories."""
    out = tmp_path_factory.mktemp("begun")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "STORIES_PER_SHARD", 3)
        patch.setattr(sharpener, "STORIES", range(500_000, 500_001))
        patch.setattr(stages, "HELD_OUT", range(1_000_000, 1_000_001))
        for module in (extractor, generator, image_encoder, reader, sharpener):  # the second device has no autocast
            patch.setattr(module, "half_precision", lambda device: contextlib.nullcontext())
        fitted = vae.fit_linear(vae.render_clips(range(2)), latent_channels=16)
        fitted.save_pretrained(out / "vae")
        (out / "cache").mkdir()
        shards.make_shard(out / "cache", 0, fitted)
        yield out


def go_through(folder: Path, begun: Path, device: torch.device, steps: int) -> dict[str, list[list[float]]]:
    """Every stage that trains, then the export. Gives the losses that each wrote down."""
    folder.mkdir(exist_ok=True)
    for name in ("vae", "cache"):
        if not (folder / name).exists():
            (folder / name).symlink_to(begun / name)
    overrides = {"steps": steps, "batch_size": 6, "save_every": 0.0}
    workshop = stages.Workshop(folder, folder / "assets", 1, overrides, device)
    for stage in (stages.train_image_encoder, stages.train_extractor, stages.train_generator, stages.train_sharpener):
        stage(workshop)
    stages.export(workshop)
    recipe = workshop.recipe(reader.RECIPE)
    for _ in reader.train_reader(folder / "reader", folder / "assets" / "reader", recipe, clips=8, device=device):
        pass
    return {path.stem: losses(path) for path in folder.rglob("*.csv")}


def losses(path: Path) -> list[list[float]]:
    with path.open() as file:
        return [[float(value) for value in row] for row in list(csv.reader(file))[1:]]


def test_every_stage_trains_and_goes_on_on_another_device_with_the_same_losses(begun: Path, tmp_path: Path) -> None:
    here = go_through(tmp_path / "here", begun, CPU, steps=2)
    with SecondDevice():
        there = go_through(tmp_path / "there", begun, SECOND, steps=2)
    assert set(here) == {"image-encoder", "extractor-target", "extractor", "generator", *SHARPENER, "reader"}
    for name, rows in here.items():
        assert len(rows) == 2
        assert there[name] == [pytest.approx(row, rel=2e-2, abs=2e-3, nan_ok=True) for row in rows], name


def test_a_checkpoint_goes_on_on_another_device(tmp_path: Path) -> None:
    def rest_of(device: torch.device, steps: int) -> list[float]:
        torch.manual_seed(0)
        module = torch.nn.Linear(4, 1).to(device)
        recipe = loop.Recipe("small", 6, 1e-2, 16, average=0.9, save_every=0.0)

        def loss(generator: torch.Generator) -> loop.Losses:
            return {"loss": module(torch.randn(16, 4, generator=generator).to(device)).square().mean()}

        values = []
        for step, numbers in loop.train(recipe, module, loss, tmp_path):
            values.append(numbers["loss"])
            assert isinstance(module.weight.data, SecondDeviceTensor) == (device == SECOND)
            if step + 1 == steps:
                break
        return values

    start = rest_of(CPU, steps=3)
    with SecondDevice():
        rest = rest_of(SECOND, steps=6)
    (tmp_path / "small.checkpoint").unlink()
    whole = rest_of(CPU, steps=6)
    assert start == whole[:3] and rest == pytest.approx(whole[-len(rest) :]) and len(rest) >= 3


def test_the_second_device_refuses_what_was_left_behind() -> None:
    with SecondDevice():
        there = torch.ones(3).to(SECOND)
        assert (there * 2).sum().item() == 6 and there.device == SECOND
        with pytest.raises(RuntimeError, match="were left on the CPU"):
            there + torch.ones(3)


class Clips(cost.MadeUpClips):
    def content_tokens(self, index: int) -> torch.Tensor:
        return torch.arange(3 + index)


def clip_tasks() -> list[torch.nn.Module]:
    torch.manual_seed(0)
    clips = Clips((3, 4, 4, 6), (checkpoints.TEXT_LENGTH, checkpoints.TEXT_WIDTH))
    length, text = clips.words.shape
    model = FeatureExtractor(text, cost.IMAGE_DIM, 12, 1, 2, length)
    stock = checkpoints.build("5b")
    transformer = StoryTransformer3DModel.from_config(stock.transformer.config, history_dim=12)
    modes.open_for_training(transformer, "dual")
    backbone = CogVideoXBackbone(stock.components | {"transformer": transformer}, lambda: CPU)
    decoupler = Decoupler(text, 12, 2, length)
    generator_task = tasks.GeneratorTask(transformer, decoupler, copy.deepcopy(model), clips, backbone)
    return [tasks.TargetTask(model.attention, clips, text, 12), tasks.ExtractorTask(model, clips), generator_task]


def test_tasks_on_clips_leave_nothing_behind() -> None:
    for here, there in zip(clip_tasks(), clip_tasks(), strict=True):
        drawn = here.draw(2, torch.Generator().manual_seed(1))
        mine = torch.arange(len(drawn["rows"]))
        expected = here(here.load(drawn, mine))["loss"]
        with SecondDevice():
            there.to(SECOND)
            found = there(tasks.place(there.load(drawn, mine), SECOND))["loss"]
            found.mean().backward()
            assert found.device == SECOND
            assert found.cpu().tolist() == pytest.approx(expected.tolist(), rel=1e-2)
