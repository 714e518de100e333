"""The loop that every training shares: a generator over steps, resumable at any of them, with a CSV log."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .optim import Optimizer


@dataclass(frozen=True)
class Recipe:
    name: str
    steps: int
    learning_rate: float
    batch_size: int
    warmup: int = 50  # steps of rising rate
    decay: float = 0.3  # share of the steps, at the end, over which the rate falls to zero
    average: float = 0.0  # decay of the averaged copy of the weights; 0 keeps none
    adam_names: tuple[str, ...] = ()  # parts of parameter names whose matrices AdamW trains
    clip: float = 1.0  # largest norm of the gradient
    seed: int = 0
    save_every: float = 120.0  # seconds

    def rate(self, step: int) -> float:
        falling = (self.steps - step) / max(1.0, self.decay * self.steps)
        return min(1.0, (step + 1) / self.warmup, falling)


Losses = dict[str, Tensor]


def device_of(module: nn.Module) -> torch.device:
    """Where the module computes. Batches are drawn and indexed on the CPU, alike for every device, and then moved
    there."""
    return next(module.parameters()).device


def half_precision(device: torch.device) -> torch.autocast:
    """bfloat16 in matrix products, with weights, sums and losses in float32."""
    return torch.autocast(device.type, torch.bfloat16)


def train(
    recipe: Recipe, module: nn.Module, losses: Callable[[torch.Generator], Losses], folder: Path
) -> Iterator[tuple[int, dict[str, float]]]:
    """Trains `module` by `losses`, yielding (step, losses as numbers); `losses["loss"]` is what is minimised.

    All chance comes from the generator that `losses` is given, seeded by the step: a killed run that is started again
    goes on with the same batches and gives the same curve. Ends with the averaged weights in `module`, if there are
    any. It trains where `module` is; a checkpoint goes on on any device.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = Optimizer(module, recipe.learning_rate, recipe.adam_names)
    averaged = {k: v.detach().clone() for k, v in module.state_dict().items()} if recipe.average else {}
    start, checkpoint = 0, folder / f"{recipe.name}.checkpoint"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
        module.load_state_dict(saved["module"])
        optimizer.load_state_dict(saved["optimizer"])
        averaged = {name: value.to(averaged[name].device) for name, value in saved["averaged"].items()}
        start = saved["step"]
    log, last_save = _Log(folder / f"{recipe.name}.csv", start), time.monotonic()
    for step in range(start, recipe.steps):
        torch.manual_seed(recipe.seed * 1_000_003 + step)
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        values = losses(generator)
        values["loss"].backward()
        values["gradient"] = nn.utils.clip_grad_norm_(module.parameters(), recipe.clip)
        optimizer.set_rate(recipe.rate(step))
        optimizer.step()
        _average(averaged, module, min(recipe.average, (step + 1) / (step + 10)))
        numbers = {name: float(value.detach()) for name, value in values.items()}
        log.write(step, numbers)
        if time.monotonic() - last_save > recipe.save_every or step + 1 == recipe.steps:
            _save(checkpoint, module, optimizer, averaged, step + 1)
            last_save = time.monotonic()
        yield step, numbers
    if averaged:
        module.load_state_dict(averaged)


def _average(averaged: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name in averaged:
                averaged[name].lerp_(value, 1 - decay) if value.is_floating_point() else averaged[name].copy_(value)


def _save(path: Path, module: nn.Module, optimizer: Optimizer, averaged: dict[str, Tensor], step: int) -> None:
    state = {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "averaged": averaged, "step": step}
    torch.save(state, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


class _Log:
    """A CSV file of losses; on resuming, lines past the checkpoint are cut off."""

    def __init__(self, path: Path, start: int) -> None:
        self.path, self.names = path, list[str]()
        if path.exists():
            rows = path.read_text().splitlines()
            kept = rows[:1] + [row for row in rows[1:] if int(row.split(",")[0]) < start]
            path.write_text("\n".join(kept) + "\n" if start else "")
            self.names = rows[0].split(",")[1:] if rows and start else []

    def write(self, step: int, numbers: dict[str, float]) -> None:
        with open(self.path, "a", newline="") as file:
            writer = csv.writer(file)
            if not self.names:
                self.names = list(numbers)
                writer.writerow(["step", *self.names])
            writer.writerow([step, *(f"{numbers[name]:.6g}" for name in self.names)])
