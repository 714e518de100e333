"""python -m pipeline.training.finetune.cost --model MODEL: memory and speed of every way to train its generator.

Trains on made-up latents and texts of the backbone's own shape, every other clip of which remembers one, each way in a
process of its own. On a GPU the memory is the most that torch allocated, on a CPU the most that the process
took.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from ... import loading
from ...backbones import checkpoints
from ...decoupler import Decoupler
from ...errors import ThroughlineError
from ...feature_extractor import FeatureExtractor
from ...story_pipeline import StoryPipeline
from ...transformer import StoryTransformer3DModel
from . import modes
from .encoded import Row
from .engine import TrainingPlan, train
from .tasks import GeneratorTask

PATCHES, IMAGE_DIM, DIM = 256, 1024, 192  # of CLIP ViT-L/14; of the extractor
WORDS = 6  # kept of the remembered clip


class MadeUpClips:
    """As much of `encoded.EncodedClips` as a generator in training looks at: two clips of one video."""

    def __init__(self, shape: tuple[int, ...], text: tuple[int, int]) -> None:
        generator = torch.Generator().manual_seed(0)
        self.clip, self.words = (torch.randn(s, generator=generator) for s in (shape, text))
        self.look = torch.randn(PATCHES, IMAGE_DIM, generator=generator)
        self.rows = [Row(Path("0"), "0", "", ()), Row(Path("1"), "1", "", (0,))]

    def __len__(self) -> int:
        return len(self.rows)

    def latents(self, index: int) -> Tensor:
        return self.clip

    def features(self, index: int) -> Tensor:
        return self.look

    def text(self, index: int) -> Tensor:
        return self.words

    def text_of(self, text: str) -> Tensor:
        return self.words

    def kept(self, index: int) -> list[tuple[Tensor, Tensor]]:
        return [(torch.arange(WORDS), torch.arange(WORDS))] * len(self.rows[index].past)


def measure(options: argparse.Namespace, mode: str, checkpointing: bool) -> dict[str, Any]:
    """Seconds a step (the first ones left out), GiB at most, weights in training, in this process."""
    accelerator = Accelerator(mixed_precision=options.precision, cpu=options.cpu)
    folder = checkpoints.find(options.model)
    pipeline = loading.load(str(folder), "cpu", "bfloat16" if options.precision == "bf16" else "float32")
    task = _task(pipeline, folder, options, mode, checkpointing)
    pipeline.to("cpu")
    plan = TrainingPlan("meter", options.steps + 1, options.batch_size, save_every=0, average=0.0)
    times = []
    for step, _ in train(task, plan, Path("unused"), accelerator):
        if accelerator.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter())
        if step == 0 and accelerator.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
    seconds = (times[-1] - times[0]) / options.steps
    most = torch.cuda.max_memory_allocated() if accelerator.device.type == "cuda" else _process_bytes()
    trained = sum(p.numel() for p in modes.trainable(task).values())
    return {
        "mode": mode,
        "gradient checkpointing": checkpointing,
        "seconds a step": round(seconds, 3),
        "GiB": round(most / 2**30, 2),
        "weights in training, millions": round(trained / 1e6, 2),
    }


def _task(
    pipeline: StoryPipeline, folder: Path, options: argparse.Namespace, mode: str, checkpointing: bool
) -> GeneratorTask:
    transformer = StoryTransformer3DModel.from_pretrained(
        folder / "transformer", use_safetensors=True, dtype=torch.float32, history_dim=0
    ).train()
    transformer.open_history(DIM)
    modes.open_for_training(transformer, mode, options.rank)
    if checkpointing:
        transformer.enable_gradient_checkpointing()
    config = transformer.config
    text = (config.max_text_seq_length, config.text_embed_dim)
    clips: Any = MadeUpClips(pipeline._latent_shape(pipeline.native)[1:], text)
    return GeneratorTask(
        transformer,
        Decoupler(text[1], DIM, max_text_length=text[0]),
        FeatureExtractor(text[1], IMAGE_DIM, DIM, max_text_length=text[0]),
        clips,
        modes.trainable_backbone(pipeline),
    )


def _process_bytes() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m pipeline.training.finetune.cost", description=__doc__)
    p.add_argument("--model", required=True, help="a hub id or a local folder")
    p.add_argument("--steps", type=int, default=5, help="that are timed")
    p.add_argument("--batch-size", type=int, default=1)
    p.add_argument("--rank", type=int, default=64, help="of LoRA")
    p.add_argument("--precision", choices=("no", "bf16", "fp16"), default="bf16" if torch.cuda.is_available() else "no")
    p.add_argument("--cpu", action="store_true")
    p.add_argument("--one", nargs=2, metavar=("MODE", "CHECKPOINTING"), help="measure one way, in this process")
    return p


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        checkpoints.find(options.model)
        if options.one:
            print(json.dumps(measure(options, options.one[0], options.one[1] == "yes")))
            return 0
    except ThroughlineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    given = sys.argv[1:] if arguments is None else arguments
    rows = [_apart(given, mode, checkpointing) for mode in modes.MODES for checkpointing in ("yes", "no")]
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |")
    return 0


def _apart(arguments: list[str], mode: str, checkpointing: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "pipeline.training.finetune.cost", *arguments, "--one", mode, checkpointing]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:  # most likely out of memory: a figure too
        reason = (done.stderr.strip().splitlines() or ["it ended"])[-1][:80]
        return {
            "mode": mode,
            "gradient checkpointing": checkpointing == "yes",
            "seconds a step": reason,
            "GiB": "–",
            "weights in training, millions": "–",
        }
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
