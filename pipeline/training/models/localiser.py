"""Trains the benchmark's localiser on rendered keyframes, and only on those."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...picturebook import renderer, world
from ...picturebook.localiser import LABELS, Localiser, to_input
from ..loop import Losses, Recipe, device_of, half_precision, train
from .reader import soften

RECIPE = Recipe("localiser", 700, 3e-3, 32, decay=0.5, average=0.98)
PICTURES = 6_000
WEIGHTS = torch.tensor([1.0, 2.0, 4.0])  # things are small


def lone_scene(rng: random.Random) -> world.WorldScene:
    """One actor of any kind, people twice as often as each other kind, somewhere."""
    actor = world.draw_actor(rng, rng.choice(("Actor 1", "Actor 2", "cat", "dog", "robot")))
    return world.draw_scene(rng, (actor,), world.draw_place(rng, rng.choice(world.PLACES)))


def render_example(rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """A frame, uint8 (H, W, 3), of a lone actor or (5%) of nobody, and its labels, uint8 (H, W)."""
    scene = lone_scene(rng)
    if rng.random() < 0.05:
        scene = world.WorldScene((), (), scene.place, scene.seed)
    clip = renderer.render(scene, frames=(rng.randrange(renderer.NUM_FRAMES),))
    assert clip.masks is not None, "rendered with masks"
    return clip.frames[0], clip.masks[0]


def render_examples(folder: Path, count: int = PICTURES, seed: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """`count` examples, rendered once: pictures uint8 (N, H, W, 3) and labels uint8 (N, H, W)."""
    path = folder / f"localiser.{seed}.{count}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        drawn = [render_example(random.Random(f"localiser/{seed}/{i}")) for i in range(count)]
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, pictures=np.stack([p for p, _ in drawn]), labels=np.stack([m for _, m in drawn]))
        os.replace(temporary, path)
    with np.load(path) as saved:
        return saved["pictures"], saved["labels"]


def make_losses(
    model: Localiser, pictures: np.ndarray, labels: np.ndarray, batch_size: int
) -> Callable[[torch.Generator], Losses]:
    device = device_of(model)

    def losses(generator: torch.Generator) -> Losses:
        rows = torch.randint(len(pictures), (batch_size,), generator=generator).numpy()
        x, truth = soften(to_input(pictures[rows]), generator), torch.from_numpy(labels[rows]).long()
        mirrored = torch.rand(batch_size, generator=generator) < 0.5
        x[mirrored], truth[mirrored] = x[mirrored].flip(-1), truth[mirrored].flip(-1)
        truth = truth.to(device)
        with half_precision(device):
            logits = model(x.to(device, memory_format=torch.channels_last)).float()
        return {"loss": F.cross_entropy(logits, truth, WEIGHTS.to(device)), "right": _share_right(logits, truth)}

    return losses


def _share_right(logits: Tensor, truth: Tensor) -> Tensor:
    """Of the pixels that are not place."""
    shown = truth != LABELS[0]
    return (logits.argmax(1) == truth)[shown].float().mean()


def train_localiser(
    work: Path, out: Path, recipe: Recipe = RECIPE, pictures: int = PICTURES, device: torch.device | None = None
) -> Iterator[tuple[int, dict[str, float]]]:
    """Renders, trains and writes the localiser to `out` as float16; `work` keeps the pictures, checkpoint and log."""
    torch.manual_seed(recipe.seed)
    model = Localiser()
    model.train().to(device, memory_format=torch.channels_last)
    examples = render_examples(work, pictures)
    yield from train(recipe, model, make_losses(model, *examples, recipe.batch_size), work)
    model.half().cpu().save_pretrained(out, safe_serialization=True)
