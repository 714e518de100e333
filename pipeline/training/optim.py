"""The optimizer of all trainings: Muon for the matrices inside, AdamW for everything else."""

from __future__ import annotations

import torch
from torch import nn


class Optimizer:
    """Muon (Jordan 2024) on hidden matrices, AdamW on embeddings, projections in and out, norms and biases.

    One learning rate for both: Muon's update is scaled to AdamW's usual size. `factor` of `set_rate` is the schedule.
    """

    def __init__(self, module: nn.Module, learning_rate: float, adam_names: tuple[str, ...] = ()) -> None:
        hidden, rest = list[nn.Parameter](), list[nn.Parameter]()
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                matrix = parameter.ndim == 2 and not any(part in name for part in adam_names)
                (hidden if matrix else rest).append(parameter)
        self.learning_rate = learning_rate
        self.parts: list[torch.optim.Optimizer] = []
        if hidden:
            self.parts.append(
                torch.optim.Muon(hidden, learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
            )
        if rest:
            self.parts.append(torch.optim.AdamW(rest, learning_rate, betas=(0.9, 0.99), weight_decay=0.0))

    def set_rate(self, factor: float) -> None:
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = self.learning_rate * factor

    def step(self) -> None:
        for part in self.parts:
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict]) -> None:
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)
