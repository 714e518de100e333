"""The loop for one or many processes, on top of accelerate: the same losses however a batch is split."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor, distribute_tensor

from ...errors import ThroughlineError
from .modes import trainable
from .tasks import Task, place

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True, strict=False)


@dataclass(frozen=True)
class TrainingPlan:
    name: str
    steps: int
    batch_size: int = 8  # rows of a step, over all processes and micro-batches
    accumulate: int = 1  # micro-batches of a step
    learning_rate: float = 1e-4
    warmup: int = 100
    average: float = 0.999  # decay of the averaged weights; 0 keeps none
    clip: float = 1.0
    seed: int = 0
    save_every: int = 250  # steps; 0 for no checkpoint
    sample_every: int = 0  # steps; 0 for no samples

    def check(self, processes: int) -> None:
        if self.batch_size % (processes * self.accumulate):
            raise ThroughlineError(
                f"batch size is {self.batch_size}: expected a multiple of {processes} processes x {self.accumulate} "
                "micro-batches"
            )

    def rate(self, step: int) -> float:
        return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup))


class Averaged:
    """The exponential moving average of the weights in training."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay = module, decay
        self.weights = {name: p.detach().clone() for name, p in trainable(module).items()} if decay else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (step + 1) / (step + 10))
        for name, parameter in trainable(self.module).items():
            if name in self.weights:
                self.weights[name].lerp_(parameter.detach(), 1 - decay)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """While it is open the module has the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in trainable(self.module).items():
            if name in self.weights:
                held = parameter.detach().clone()
                parameter.copy_(self.weights[name])
                self.weights[name] = held

    def state(self) -> dict[str, Tensor]:
        return {name: _whole(value).cpu() for name, value in self.weights.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        self.weights = {name: _like(value, self.weights[name]) for name, value in state.items()}


def _whole(value: Tensor) -> Tensor:
    return value.full_tensor() if isinstance(value, DTensor) else value


def _like(value: Tensor, other: Tensor) -> Tensor:
    value = value.to(other.device)
    return distribute_tensor(value, other.device_mesh, other.placements) if isinstance(other, DTensor) else value


def train(
    task: nn.Module,
    plan: TrainingPlan,
    folder: Path,
    accelerator: Accelerator,
    log: Log | None = None,
    sample: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Trains `task` (a `tasks.Task`), yielding (step, losses). Ends with the averaged weights in it, if there are any.

    Every process draws the whole batch from the CPU's generator, seeded by the step, and takes its rows: the losses
    are the same for any number of processes and micro-batches, and after a kill.
    """
    plan.check(accelerator.num_processes)
    source: Task = task  # type: ignore[assignment]
    weights = list(trainable(task).values())
    model, optimizer = accelerator.prepare(
        task, torch.optim.AdamW(weights, plan.learning_rate, betas=(0.9, 0.99), weight_decay=1e-3)
    )
    averaged = Averaged(accelerator.unwrap_model(model), plan.average)
    checkpoint = folder / f"{plan.name}.checkpoint"
    start = _resume(checkpoint, model, optimizer.optimizer, averaged) if checkpoint.exists() else 0
    if log is not None:
        log.begin(start)
    for step in range(start, plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate(step)
        numbers = _step(source, model, plan, step, accelerator)
        numbers["gradient"] = float(_whole(accelerator.clip_grad_norm_(model.parameters(), plan.clip)))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        averaged.update(step)
        if log is not None:
            log.write(step, numbers)
        if plan.save_every and ((step + 1) % plan.save_every == 0 or step + 1 == plan.steps):
            _save(checkpoint, model, optimizer.optimizer, averaged, step + 1, accelerator)
        if sample is not None and plan.sample_every and (step + 1) % plan.sample_every == 0:
            with averaged.applied(), accelerator.autocast(), torch.no_grad():
                sample(step + 1)
        yield step, numbers
    averaged._swap()


def _step(source: Task, model: nn.Module, plan: TrainingPlan, step: int, accelerator: Accelerator) -> dict[str, float]:
    """The gradients of a step, and its losses over all processes."""
    generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
    torch.manual_seed(plan.seed * 1_000_003 + step)
    drawn = source.draw(plan.batch_size, generator)
    size, parts = len(drawn["rows"]), accelerator.num_processes * plan.accumulate
    totals: dict[str, Tensor] = {}
    for micro in range(plan.accumulate):
        mine = torch.arange(accelerator.process_index * plan.accumulate + micro, size, parts)
        last = micro + 1 == plan.accumulate
        with contextlib.nullcontext() if last else accelerator.no_sync(model):
            losses = model(place(source.load(drawn, mine), accelerator.device))
            accelerator.backward(losses["loss"].mean() / plan.accumulate)
        for name, value in losses.items():
            totals[name] = totals.get(name, 0) + value.detach().float().mean() / plan.accumulate
    return {name: float(accelerator.reduce(value, "mean")) for name, value in totals.items()}


def _save(
    path: Path, model: nn.Module, optimizer: Any, averaged: Averaged, step: int, accelerator: Accelerator
) -> None:
    state = {
        "module": get_model_state_dict(model, options=WHOLE),
        "optimizer": get_optimizer_state_dict(model, optimizer, options=WHOLE),
        "averaged": averaged.state(),
        "step": step,
    }
    if accelerator.is_main_process:
        torch.save(state, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)
    accelerator.wait_for_everyone()


def _resume(path: Path, model: nn.Module, optimizer: Any, averaged: Averaged) -> int:
    saved = torch.load(path, weights_only=True, map_location="cpu")
    set_model_state_dict(model, saved["module"], options=WHOLE)
    set_optimizer_state_dict(model, optimizer, saved["optimizer"], options=WHOLE)
    averaged.load(saved["averaged"])
    return int(saved["step"])


class Log:
    """Losses as a CSV file and, if it is installed, for TensorBoard. The main process has one."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path, self.folder = folder / f"{name}.csv", folder / "tensorboard" / name
        self.writer: Any = None

    def begin(self, step: int) -> None:
        """What is past `step`, of a run that was killed, is forgotten."""
        rows = list(csv.reader(self.path.read_text().splitlines())) if self.path.exists() and step else []
        kept = [row for row in rows[:1] + [row for row in rows[1:] if int(row[0]) < step]]
        self.path.write_text("".join(",".join(row) + "\n" for row in kept))
        with contextlib.suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder), purge_step=step)

    def write(self, step: int, numbers: dict[str, float]) -> None:
        empty = self.path.stat().st_size == 0
        with self.path.open("a") as file:
            if empty:
                file.write(",".join(["step", *numbers]) + "\n")
            file.write(",".join([str(step), *(f"{value:.6g}" for value in numbers.values())]) + "\n")
        if self.writer is not None:
            for name, value in numbers.items():
                self.writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, picture: Any) -> None:
        """uint8 (H, W, 3)."""
        if self.writer is not None:
            self.writer.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
