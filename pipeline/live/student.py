"""The student: the embedded generator's transformer with the weights of the guidance as inputs.

Letters: B batch.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..backbones.checkpoints import check_component
from ..errors import WeightsError
from ..transformer import StoryTransformer3DModel

LARGEST = 8.0  # weights beyond it are as this one: the student was taught none larger
FEATURES = 8
WEIGHTS = "diffusion_pytorch_model.safetensors"
SHARED = re.compile(r"history_streams\.\d+\.modulation\.|transformer_blocks\.5\.ff\.net\.2\.")  # trained the least
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


def is_shared(name: str) -> bool:
    """Whether a weight is the teacher's own, which is not kept twice."""
    return bool(SHARED.match(name))


def save(student: StoryTransformer3DModel, folder: Path) -> None:
    """Writes what a student has of its own, in half precision, with its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    student.save_config(folder)
    own = {name: value.half().cpu().contiguous() for name, value in student.state_dict().items() if not is_shared(name)}
    save_file(own, folder / WEIGHTS, {"format": "pt"})


def load(folder: Path, teacher: StoryTransformer3DModel) -> StoryTransformer3DModel:
    """What `save` wrote, with the rest of its teacher, in that one's precision and where that one is. Raises
    WeightsError for weights that are not whole or of another model."""
    check_component(folder)
    student, own = untrained(teacher).to(teacher.device), load_file(folder / WEIGHTS)
    student = student if teacher.dtype == torch.float32 else student.to(teacher.dtype)
    wanted = {name: value.shape for name, value in student.state_dict().items() if not is_shared(name)}
    if wanted != {name: value.shape for name, value in own.items()}:
        raise WeightsError(f"the student in {str(folder)!r} is not of this model: expected weights of its shapes")
    student.load_state_dict(own, strict=False)
    return student.eval()


def dials(w1: Tensor, w2: Tensor) -> Tensor:
    """What the student is told of weights, float32 (B, FEATURES), from w1 and w2, each (B). w2 is 0 for a scene that
    remembers nothing, where it has no effect."""
    weights = torch.stack([w1, w2], dim=1).float().clamp(0, LARGEST)
    parts = (weights / LARGEST, (weights / LARGEST).square(), weights.log1p() / 2, (-weights).exp())
    return STRENGTH * torch.cat(parts, dim=1)
