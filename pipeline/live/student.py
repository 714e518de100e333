"""The student: the embedded generator's transformer with the weights of the guidance as inputs.

Letters: B batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..transformer import StoryTransformer3DModel

LARGEST = 8.0  # weights beyond it are as this one: the student was taught none larger
FEATURES = 8
STRENGTH = 10.0  # of what the student is told, so that a projection that starts at zero is soon heard


def untrained(teacher: StoryTransformer3DModel) -> StoryTransformer3DModel:
    """A student with the weights of its teacher: that one's branch "full", whatever the weights of the guidance.

    They join the time embedding as `timestep_cond`, as in Meng et al. 2023 (arXiv 2210.03142), through a projection
    that starts at zero.
    """
    student = StoryTransformer3DModel.from_config(teacher.config)
    student.load_state_dict(teacher.state_dict())
    student.open_guidance(FEATURES)
    return student


def dials(w1: Tensor, w2: Tensor) -> Tensor:
    """What the student is told of weights, float32 (B, FEATURES), from w1 and w2, each (B). w2 is 0 for a scene that
    remembers nothing, where it has no effect."""
    weights = torch.stack([w1, w2], dim=1).float().clamp(0, LARGEST)
    parts = (weights / LARGEST, (weights / LARGEST).square(), weights.log1p() / 2, (-weights).exp())
    return STRENGTH * torch.cat(parts, dim=1)
