"""Training the adapter of a CogVideoX checkpoint on clips, with small random weights in the published layout."""

import csv
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file

from pipeline import loading
from pipeline.errors import ThroughlineError
from pipeline.picturebook import renderer, world
from pipeline.picturebook.captions import story_captions
from pipeline.training.__main__ import main
from pipeline.training.finetune import command, modes
from pipeline.training.finetune.encoded import Store
from pipeline.transformer import StoryTransformer3DModel
from tests import checkpoints
from tests.paths import ROOT
from tests.pipeline.training.test_prepare import write_film
from tests.tiny import tiny_vision_model


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone, an image encoder, clips of two films (and one that cannot be read), and a trained extractor."""
    folder = tmp_path_factory.mktemp("finetune")
    checkpoints.save(folder / "2b", "2b")
    tiny_vision_model().save_pretrained(folder / "clip")
    (folder / "data" / "prompts").mkdir(parents=True)
    for video, seed in (("one", 3_000_000), ("two", 3_000_002)):
        story, captions = world.training_story(seed), {}
        (folder / "data" / "videos" / video).mkdir(parents=True)
        for i, (scene, caption) in enumerate(zip(story.scenes[:3], story_captions(story)[:3], strict=True)):
            path = folder / "data" / "videos" / video / f"{i + 1:04d}.mp4"
            write_film(path, [renderer.render(scene, masks=False).frames])
            captions[path.name] = short(caption.text)
        (folder / "data" / "prompts" / f"{video}.json").write_text(json.dumps(captions))
    (folder / "data" / "videos" / "one" / "0003.mp4").write_bytes(b"no film")
    assert train(folder, folder / "run", "extractor", "--steps", "2") == 0
    return folder


def short(caption: str) -> str:
    """The first words: the small checkpoint reads 24 tokens of a small vocabulary."""
    return " ".join(caption.split()[:4])


def arguments(begun: Path, out: Path, stage: str, *options: str) -> list[str]:
    where = ["--model", str(begun / "2b"), "--image-encoder", str(begun / "clip"), "--data", str(begun / "data")]
    small = ["--frames", "9", "--batch-size", "4", "--save-every", "1", "--warmup", "1", "--rank", "4", "--cpu"]
    return [stage, *where, "--out", str(out), *small, "--learning-rate", "1e-2", *options]


def train(begun: Path, out: Path, stage: str, *options: str) -> int:
    return main(arguments(begun, out, stage, *options))


def new_run(begun: Path, folder: Path) -> Path:
    """A run that has its extractor and its encodings, and nothing else."""
    for name in ("encoded", "extractor"):
        shutil.copytree(begun / "run" / name, folder / name)
    return folder


def losses(folder: Path, name: str = "generator") -> list[list[float]]:
    with (folder / f"{name}.csv").open() as file:
        return [[float(value) for value in row] for row in list(csv.reader(file))[1:]]


def assert_alike(found: list[list[float]], expected: list[list[float]]) -> None:
    """The same batches and gradients: sums are taken in another order, which Adam makes more of from step to step."""
    assert found[0] == pytest.approx(expected[0], rel=1e-4)
    assert found[1:] == [pytest.approx(row, rel=2e-2) for row in expected[1:]]


def test_extractor_then_generator_make_a_model_that_remembers(
    begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = new_run(begun, tmp_path / "run")
    (tmp_path / "story.txt").write_text("a cat is driving a car\nthe cat is running\n")
    samples = ("--sample-every", "2", "--sample-steps", "2", "--sample-prompts", str(tmp_path / "story.txt"))
    options = ("--steps", "2", *samples)
    assert train(begun, out, "generator", "--mode", "lora", *options) == 0
    assert "0003.mp4 cannot be read" in capsys.readouterr().err
    assert (out / "samples" / "step-000002.mp4").stat().st_size > 0
    assert list((out / "tensorboard" / "generator").glob("events.*"))
    assert len(losses(begun / "run", "extractor-target")) == len(losses(begun / "run", "extractor")) == 2
    pipeline = loading.load(str(out / "model"), "cpu", "float32")
    assert pipeline.history == "trained"
    names = pipeline.transformer.state_dict().keys()
    stock = StoryTransformer3DModel.from_pretrained(begun / "2b" / "transformer", history_dim=0)
    stock.open_history(command.DIM)
    assert names == stock.state_dict().keys()  # LoRA is folded in
    first = pipeline("a cat is driving a car", steps=2)
    again = [pipeline.encode_scene("a cat is driving a car", first.frames)]
    frames = pipeline("the cat is running", again, steps=2).frames
    assert np.isfinite(losses(out)).all() and frames.max() > 0
    assert frames.shape == (9, 32, 48, 3) and not np.array_equal(frames, first.frames)


@pytest.fixture(scope="module")
def whole(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[float]]:
    """The losses of three steps in one process and one piece."""
    out = new_run(begun, tmp_path_factory.mktemp("whole") / "run")
    assert train(begun, out, "generator", "--mode", "dual", "--steps", "3") == 0
    found = losses(out)
    assert len(found) == 3 and all(np.isfinite(found).flat)
    return found


def test_a_killed_training_goes_on_with_the_same_losses(begun: Path, tmp_path: Path, whole: list) -> None:
    out = new_run(begun, tmp_path / "run")
    assert train(begun, out, "generator", "--mode", "dual", "--steps", "2") == 0
    (out / "generator.csv").write_text((out / "generator.csv").read_text() + "2,9,9\n")  # of a step that was not saved
    assert train(begun, out, "generator", "--mode", "dual", "--steps", "3") == 0
    assert losses(out) == whole


def test_micro_batches_and_no_checkpointing_give_the_same_losses(begun: Path, tmp_path: Path, whole: list) -> None:
    out = new_run(begun, tmp_path / "run")
    options = ("--accumulate", "2", "--no-gradient-checkpointing", "--steps", "3")
    assert train(begun, out, "generator", "--mode", "dual", *options) == 0
    assert_alike(losses(out), whole)


def test_two_processes_give_the_losses_of_one(begun: Path, tmp_path: Path, whole: list) -> None:
    out = new_run(begun, tmp_path / "run")
    shutil.rmtree(out / "encoded" / "latents")  # both encode
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--main_process_port", "0"]
    launch += ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    own = arguments(begun, out, "generator", "--mode", "dual", "--steps", "3")
    done = subprocess.run(
        [*launch, "-m", "pipeline.training", *own],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert_alike(losses(out), whole)


@pytest.mark.parametrize("mode", modes.MODES)
def test_what_is_frozen_stays_as_it_is_and_the_rest_learns(begun: Path, mode: str) -> None:
    transformer = StoryTransformer3DModel.from_pretrained(begun / "2b" / "transformer", history_dim=0)
    transformer.open_history(12, gate=1.0)
    base = {name: value.clone() for name, value in transformer.state_dict().items() if "history_" not in name}
    modes.open_for_training(transformer, mode, rank=2)
    optimizer = torch.optim.AdamW(modes.trainable(transformer).values(), 1e-2, weight_decay=0.1)
    torch.manual_seed(0)
    before = {name: value.clone() for name, value in modes.trainable(transformer).items()}
    for _ in range(3):
        latents, text = torch.randn(2, 3, 4, 4, 6), torch.randn(2, checkpoints.TEXT_LENGTH, checkpoints.TEXT_WIDTH)
        history = torch.randn(2, 3, 12)
        out = transformer(latents, text, torch.tensor([10, 900]), history=history).sample
        (out - latents).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    after = {name.replace(".base_layer", ""): value for name, value in transformer.state_dict().items()}
    moved = {name for name, value in base.items() if not torch.equal(after[name], value)}
    assert moved == (set() if mode != "full" else moved) and (mode != "full" or len(moved) > 0.8 * len(base))
    learned = {name for name, value in modes.trainable(transformer).items() if not torch.equal(before[name], value)}
    assert any(name.startswith("history_streams.0.gate") for name in learned)
    named = {"lora": "lora_", "dual": "plus.to_q", "full": "attn1.to_q"}[mode]
    assert any(named in name for name in learned) and (mode != "dual" or "history_streams.0.alpha" in learned)


def test_the_store_is_safe_for_several_workers(tmp_path: Path) -> None:
    store, value = Store(tmp_path), {"x": torch.arange(1000.0)}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: store.get("kind", ["key"], lambda: value)["x"], range(32)))
    assert all(torch.equal(x, value["x"]) for x in found)
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".safetensors"]
    assert store.get("kind", ["other"], lambda: {"x": torch.zeros(1)})["x"].shape == (1,)
    with pytest.raises(ThroughlineError, match="broken"):
        store.get("kind", ["third"], lambda: (_ for _ in ()).throw(ThroughlineError("broken")))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--accumulate", "3"), "batch size is 4: expected a multiple of 1 processes x 3"),
        (("--out", "{}/empty"), "expected the stage `extractor` to come first"),
        (("--data", "{}/none"), "expected prompts"),
        (("--model", "{}/none"), "model is"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    begun: Path, tmp_path: Path, options: tuple, message: str, capsys: pytest.CaptureFixture
) -> None:
    out = new_run(begun, tmp_path / "run")
    assert train(begun, out, "generator", *(option.format(tmp_path) for option in options)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("name", "kind"), [("ddp", "MULTI_GPU"), ("fsdp", "FSDP")])
def test_the_configurations_are_accelerates(name: str, kind: str) -> None:
    path = ROOT / "pipeline" / "training" / "finetune" / "configs" / f"{name}.yaml"
    assert load_config_from_file(str(path)).distributed_type == kind


@pytest.mark.slow
def test_a_backbone_that_is_split_over_two_processes_learns_as_a_whole_one() -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0"]
    program = "tests/pipeline/training/sharded.py"
    done = subprocess.run(
        [*command, "--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
