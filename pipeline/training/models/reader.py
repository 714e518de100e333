"""Trains the benchmark's reader on rendered clips, and only on those: it must know nothing of what the generator does.

Most clips show one actor, some two, some nobody. To be sure of somebody the reader must see a figure: a stage with a
faint or smeared figure counts as empty.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ...picturebook import renderer, world
from ...picturebook.facts import ACTOR_FACTS, NOTHING, actor_facts, place_facts
from ...picturebook.reader import READ_FACTS, ClipReader, frames_read, to_input
from ..loop import Losses, Recipe, device_of, half_precision, train

RECIPE = Recipe("reader", 900, 3e-3, 64, decay=0.5, average=0.99, adam_names=("heads",))
CLIPS = 16_000
SMEAR = 16  # pixels


def draw_scene(rng: random.Random) -> world.WorldScene:
    """One actor (72%), two (12%) or nobody (16%); people are twice as likely as each other kind."""
    number = rng.choices((1, 2, 0), (72, 12, 16))[0]
    names = rng.sample(("Actor 1", "Actor 2", "cat", "dog", "robot"), number)
    cast = tuple(world.draw_actor(rng, name) for name in names)
    return world.draw_scene(rng, cast, world.draw_place(rng, rng.choice(world.PLACES)))


def render_example(rng: random.Random) -> tuple[np.ndarray, list[int]]:
    """The frames that are read, uint8 (3, H, W, 3), and the truth in the order of READ_FACTS, -1 for none."""
    scene = draw_scene(rng)
    frames = _render(scene)
    if not scene.cast and rng.random() < 0.6:
        haunting = world.draw_scene(rng, (world.draw_actor(rng, rng.choice(("Actor 1", "cat", "robot"))),), scene.place)
        frames = _ghost(frames, _render(haunting), rng)
    alone = len(scene.cast) == 1
    actor = actor_facts(scene, 0) if alone else [NOTHING] * len(ACTOR_FACTS)
    return frames, [len(scene.cast), *actor, *place_facts(scene)]


def _render(scene: world.WorldScene) -> np.ndarray:
    return renderer.render(scene, masks=False, frames=frames_read(renderer.NUM_FRAMES)).frames


def _ghost(empty: np.ndarray, full: np.ndarray, rng: random.Random) -> np.ndarray:
    """The empty stage with what `full` adds to it, made faint or smeared beyond recognition."""
    added = full.astype(np.float32) - empty
    if rng.random() < 0.5:
        added *= rng.uniform(0, 0.25)
    else:
        added = np.stack([_smeared(picture) for picture in added])
    return (empty + added).clip(0, 255).round().astype(np.uint8)


def _smeared(picture: np.ndarray) -> np.ndarray:
    channels = [Image.fromarray(picture[..., c]) for c in range(3)]
    small = [c.resize((c.width // SMEAR, c.height // SMEAR), Image.Resampling.BOX) for c in channels]
    return np.stack([np.asarray(s.resize(c.size)) for s, c in zip(small, channels, strict=True)], axis=-1)


def render_examples(folder: Path, count: int = CLIPS, seed: str = "train") -> tuple[np.ndarray, Tensor]:
    """`count` examples, rendered once: frames (memory-mapped) uint8 (N, 3, H, W, 3) and facts int64 (N, facts)."""
    frames_path, facts_path = (folder / f"reader.{seed}.{count}.{name}.npy" for name in ("frames", "facts"))
    if not facts_path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = frames_path.with_suffix(".tmp")
        shape = (count, len(frames_read(renderer.NUM_FRAMES)), renderer.HEIGHT, renderer.WIDTH, 3)
        frames = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        facts = np.zeros((count, len(READ_FACTS)), np.int64)
        for i in range(count):
            frames[i], facts[i] = render_example(random.Random(f"reader/{seed}/{i}"))
        frames.flush()
        os.replace(temporary, frames_path)
        np.save(facts_path, facts)
    return np.load(frames_path, mmap_mode="r"), torch.from_numpy(np.load(facts_path))


def soften(x: Tensor, generator: torch.Generator) -> Tensor:
    """Slight blur, noise and change of brightness, as generated frames have them. (B, 9, H, W) in -1..1. The generator
    is the CPU's."""

    def each(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(x), 1, 1, 1, generator=generator).to(x.device)

    blurred = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    wide = F.avg_pool2d(blurred, 3, 1, 1, count_include_pad=False)
    strength = each(-0.5, 1)
    x = torch.lerp(x, torch.lerp(blurred, wide, each(0, 1)), strength.clamp(min=0))
    noise = torch.randn(x.shape[0], x.shape[1], x.shape[2] // 2, x.shape[3] // 2, generator=generator)
    x = x * each(0.92, 1.08) + each(-0.06, 0.06)
    return x + each(0, 0.08) * F.interpolate(noise.to(x.device), scale_factor=2)


def make_losses(
    model: ClipReader, frames: np.ndarray, facts: Tensor, batch_size: int
) -> Callable[[torch.Generator], Losses]:
    device = device_of(model)

    def losses(generator: torch.Generator) -> Losses:
        rows = torch.randint(len(facts), (batch_size,), generator=generator)
        x = soften(to_input(frames[rows.numpy()]).to(device), generator).to(memory_format=torch.channels_last)
        truth = facts[rows].to(device)
        with half_precision(device):
            logits = model(x)
        each = [
            F.cross_entropy(row.float(), truth[:, i], ignore_index=NOTHING, label_smoothing=0.02)
            for i, row in enumerate(logits)
        ]
        parts = dict(zip(READ_FACTS, each, strict=True))
        return {"loss": torch.stack(each).sum(), **parts}

    return losses


def train_reader(
    work: Path, out: Path, recipe: Recipe = RECIPE, clips: int = CLIPS, device: torch.device | None = None
) -> Iterator[tuple[int, dict[str, float]]]:
    """Renders, trains and writes the reader to `out` as float16; `work` keeps the clips, the checkpoint and the log."""
    torch.manual_seed(recipe.seed)
    model = ClipReader()
    model.train().to(device, memory_format=torch.channels_last)
    frames, facts = render_examples(work, clips)
    yield from train(recipe, model, make_losses(model, frames, facts, recipe.batch_size), work)
    model.half().cpu().save_pretrained(out, safe_serialization=True)
