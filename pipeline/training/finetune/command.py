"""accelerate launch -m pipeline.training {extractor,generator} --model MODEL --data DATA --out RUN

Trains the adapter of any backbone on clips of your own (python -m pipeline.training.prepare makes DATA from films):
first `extractor`, then `generator` with the same --out. RUN/model is then a model that the app and the command line
take as --model. Without accelerate launch it runs in one process.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers.utils.logging
import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import nn
from tqdm import tqdm
from transformers import CLIPVisionModelWithProjection

from ... import loading
from ...backbones import checkpoints, hub
from ...decoupler import Decoupler
from ...errors import ThroughlineError
from ...feature_extractor import FeatureExtractor
from ...story_pipeline import StoryPipeline
from ...transformer import StoryTransformer3DModel
from ..footage.clips import read_clips
from . import modes, samples
from .encoded import Digests, EncodedClips, Size, Store
from .engine import Log, TrainingPlan, train
from .export import write_model
from .tasks import ExtractorTask, GeneratorTask, TargetTask

STAGES = ("extractor", "generator")
IMAGE_ENCODER = "openai/clip-vit-large-patch14"
DIM, HEADS, LAYERS = 192, 6, 3  # of a new extractor
PRECISIONS = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class FinetuneRun:
    """Everything that a stage works with."""

    options: argparse.Namespace
    accelerator: Accelerator
    folder: Path  # of the backbone
    pipeline: StoryPipeline
    image_encoder: CLIPVisionModelWithProjection
    clips: EncodedClips

    @property
    def out(self) -> Path:
        return self.options.out

    def plan(self, name: str, **own: Any) -> TrainingPlan:
        o = self.options
        same = ("steps", "batch_size", "accumulate", "seed", "learning_rate", "warmup", "save_every")
        return TrainingPlan(name, **{field: getattr(o, field) for field in same} | {"average": o.ema} | own)

    def log(self, name: str) -> Log | None:
        return Log(self.out, name) if self.accelerator.is_main_process else None


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m pipeline.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("stage", choices=STAGES)
    p.add_argument("--model", required=True, help="the backbone: a hub id or a local folder")
    p.add_argument("--data", type=Path, required=True, help="folder of videos/ and prompts/")
    p.add_argument("--out", type=Path, required=True, help="folder of checkpoints, logs, samples and the model")
    p.add_argument("--revision", default=None, help="of a hub id")
    p.add_argument("--image-encoder", default=IMAGE_ENCODER, help="CLIP vision model, if the backbone has none")
    p.add_argument("--mode", choices=list(modes.MODES), default="lora", help="what of the generator is trained")
    p.add_argument("--rank", type=int, default=64, help="of LoRA")
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--batch-size", type=int, default=8, help="clips of a step, over all processes and micro-batches")
    p.add_argument("--accumulate", type=int, default=1, help="micro-batches of a step")
    p.add_argument("--learning-rate", type=float, default=1e-4)
    p.add_argument("--warmup", type=int, default=100, help="steps")
    p.add_argument("--ema", type=float, default=0.999, help="decay of the averaged weights; 0 for none")
    p.add_argument("--precision", choices=list(PRECISIONS), default=None, help="bf16 on a GPU, else no, if not given")
    p.add_argument("--no-gradient-checkpointing", action="store_true", help="faster, and much more memory")
    p.add_argument("--frames", type=int, default=None, help="4 k + 1; the backbone's own if not given")
    p.add_argument("--height", type=int, default=None)
    p.add_argument("--width", type=int, default=None)
    p.add_argument("--save-every", type=int, default=250, help="steps")
    p.add_argument("--sample-every", type=int, default=0, help="steps between sample stories; 0 for none")
    p.add_argument("--sample-prompts", type=Path, default=None, help="one scene a line; else of the first video")
    p.add_argument("--sample-steps", type=int, default=30)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--cpu", action="store_true", help="train on the CPU")
    return p


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        run(options)
    except ThroughlineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """Raises ThroughlineError."""
    folder = checkpoints.find(options.model, options.revision)  # before anything slow
    videos = read_clips(options.data)
    accelerator = _accelerator(options)
    diffusers.utils.logging.disable_progress_bar()
    bench = _bench(options, accelerator, folder, videos)
    {"extractor": train_extractor, "generator": train_generator}[options.stage](bench)
    accelerator.wait_for_everyone()
    accelerator.end_training()


def _accelerator(options: argparse.Namespace) -> Accelerator:
    chosen = options.precision or (None if torch.cuda.is_available() and not options.cpu else "no")
    if chosen is None and not os.environ.get("ACCELERATE_MIXED_PRECISION"):
        chosen = "bf16"
    if options.cpu:
        os.environ["ACCELERATE_USE_CPU"] = "true"
    same = DistributedDataParallelKwargs(broadcast_buffers=False)
    return Accelerator(mixed_precision=chosen, cpu=options.cpu, kwargs_handlers=[same])


def _bench(options: argparse.Namespace, accelerator: Accelerator, folder: Path, videos: list) -> FinetuneRun:
    pipeline = loading.load(str(folder), "cpu", PRECISIONS[accelerator.mixed_precision])
    modes.trainable_backbone(pipeline)
    look = pipeline.image_encoder
    look_folder = folder / "image_encoder"
    if look is None:
        name = options.image_encoder
        look_folder = Path(name) if Path(name).is_dir() else hub.fetch(name)
        look = CLIPVisionModelWithProjection.from_pretrained(look_folder, use_safetensors=True).eval()
    look.requires_grad_(False)
    text = folder / "text_encoder"
    text_digest = checkpoints.digest(text) if text.is_dir() else "minilm"
    digests = Digests(checkpoints.digest(folder / "vae"), text_digest, checkpoints.digest(look_folder))
    own, rate = pipeline.native, pipeline.frames_per_second
    height, width = options.height or own.height, options.width or own.width
    size = Size(options.frames or own.num_frames, rate, height, width)
    clips = EncodedClips(videos, Store(options.out / "encoded"), size, digests, pipeline, look, accelerator.device)
    _encode(clips, accelerator)
    return FinetuneRun(options, accelerator, folder, pipeline, look, clips)


def _encode(clips: EncodedClips, accelerator: Accelerator) -> None:
    """Every worker its share, then each reads what all have made."""
    if accelerator.num_processes > 1:
        clips.drop_unreadable(accelerator.process_index, accelerator.num_processes)
        accelerator.wait_for_everyone()
    clips.unreadable.clear()
    clips.drop_unreadable()
    clips.text_of("")
    clips.release()
    if accelerator.is_main_process:
        for line in clips.unreadable:
            print(f"left out: {line}", file=sys.stderr)
    if not len(clips):
        raise ThroughlineError("no clip could be read: expected at least one")


def train_extractor(bench: FinetuneRun) -> None:
    """The cross-attention by contrast, then, frozen, as the target of the extractor's transformer."""
    torch.manual_seed(bench.options.seed)
    length = bench.pipeline.transformer.config.max_text_seq_length
    text_dim = bench.clips.text_of("").shape[-1]
    model = FeatureExtractor(text_dim, bench.image_encoder.config.hidden_size, DIM, LAYERS, HEADS, length)
    target = TargetTask(model.attention, bench.clips, text_dim, DIM)
    if len(target.rows) < 2:
        raise ThroughlineError(f"data has {len(target.rows)} captions with words: expected at least 2")
    rows = min(bench.options.batch_size, len(target.rows))
    parts = bench.accelerator.num_processes * bench.options.accumulate
    _go(bench, target, bench.plan("extractor-target", batch_size=max(parts, rows // parts * parts)))
    target.standardize()
    task = ExtractorTask(model, bench.clips)
    if not task.rows:
        raise ThroughlineError("no caption says what an earlier one of its video said: nothing can be remembered")
    _go(bench, task, bench.plan("extractor"))
    if bench.accelerator.is_main_process:
        model.cpu().save_pretrained(bench.out / "extractor")


def train_generator(bench: FinetuneRun) -> None:
    options, accelerator = bench.options, bench.accelerator
    if not (bench.out / "extractor" / "config.json").is_file():
        raise ThroughlineError(f"no extractor in {str(bench.out)!r}: expected the stage `extractor` to come first")
    torch.manual_seed(options.seed)
    extractor = FeatureExtractor.from_pretrained(bench.out / "extractor")
    task = make_generator_task(bench, extractor)
    pipeline = samples.make_pipeline(bench.pipeline, task, bench.image_encoder)
    log = bench.log("generator")
    prompts = samples.read_prompts(options.sample_prompts, bench.clips)

    def sample(step: int) -> None:
        story = samples.tell(pipeline, prompts, bench.clips.size, options.sample_steps, accelerator.device)
        if log is not None:
            samples.write(bench.out / "samples" / f"step-{step:06d}.mp4", story, pipeline.frames_per_second)
            log.picture(step, "sample story", np.concatenate([clip[len(clip) // 2] for clip in story], axis=1))
        bench.clips.release()

    _go(bench, task, bench.plan("generator", sample_every=options.sample_every), log, sample)
    if accelerator.num_processes > 1 and accelerator.distributed_type == "FSDP":
        accelerator.print("FSDP: weights are in the checkpoint; run the stage once more in one process for the model")
        return
    if accelerator.is_main_process:
        transformer = modes.merge(copy.deepcopy(task.transformer).cpu())
        parts = {
            "transformer": transformer,
            "decoupler": task.decoupler.cpu(),
            "extractor": extractor.cpu(),
            "image_encoder": bench.image_encoder,
        }
        write_model(bench.out / "model", bench.folder, parts, PRECISIONS[accelerator.mixed_precision])
        print(f"model in {bench.out / 'model'}")


def make_generator_task(bench: FinetuneRun, extractor: FeatureExtractor) -> GeneratorTask:
    """The transformer with a history path behind closed gates, opened for training as --mode says."""
    pipeline, dim = bench.pipeline, extractor.config.dim
    transformer = StoryTransformer3DModel.from_pretrained(
        bench.folder / "transformer",
        use_safetensors=True,
        dtype=torch.float32,
        **({"history_dim": 0} if not pipeline.has_adapter else {}),
    ).train()
    if transformer.config.history_dim != dim:
        transformer.open_history(dim)
    modes.open_for_training(transformer, bench.options.mode, bench.options.rank)
    if not bench.options.no_gradient_checkpointing:
        transformer.enable_gradient_checkpointing()
    length, text_dim = transformer.config.max_text_seq_length, transformer.config.text_embed_dim
    decoupler = Decoupler(text_dim, dim, max_text_length=length)
    pipeline.transformer = None  # the one that came with the pipeline is not needed
    return GeneratorTask(
        transformer,
        decoupler,
        extractor,
        bench.clips,
        modes.trainable_backbone(pipeline),
    )


def _go(bench: FinetuneRun, task: nn.Module, plan: TrainingPlan, log: Log | None = None, sample: Any = None) -> None:
    log = log or bench.log(plan.name)
    steps = train(task, plan, bench.out, bench.accelerator, log, sample)
    bar = tqdm(steps, desc=plan.name, total=plan.steps, unit="step", disable=not bench.accelerator.is_main_process)
    for step, numbers in bar:
        bar.n = step + 1
        bar.set_postfix({name: f"{value:.4f}" for name, value in numbers.items()})
    if log is not None:
        log.close()
    bench.accelerator.free_memory()
