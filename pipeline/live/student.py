"""The student: the embedded generator's transformer with low-rank changes, and the weights of the guidance as inputs.

One pass gives what guidance needs three for. The two differences that its weights multiply, ε(z, H, P⁺) − ε(z, H, P⁻)
and ε(z, H, P⁺) − ε(z, ∅, P⁺), have outputs of their own on the features that the prediction is read from, so that a
sketch follows the weights by construction. They also join the time embedding, as in Meng et al. 2023 (arXiv
2210.03142): where a few steps lead depends on them in other ways, too.

Letters: B batch.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..backbones.checkpoints import check_component
from ..errors import WeightsError
from ..transformer import StoryTransformer3DModel

LARGEST = 8.0  # weights beyond it are as this one: the student was taught none larger
FEATURES = 8
RANK = 32  # of what is added to a matrix of the teacher
WEIGHTS = "diffusion_pytorch_model.safetensors"
ADAPTED = re.compile(
    r"(transformer_blocks|history_streams)\..*|detail\.(from_tokens|from_latents|blocks\..*)|history_proj"
)
OWN = re.compile(r"\.(first|second)$|pulls|cond_proj")  # names of what a student has and its teacher has not
STRENGTH = 10.0  # of what the student is told, so that a projection that starts at zero is soon heard


class LowRank(nn.Module):
    """A matrix with one of rank `RANK` at most added to it, at first nothing (Hu et al. 2021, arXiv 2106.09685)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.first = nn.Parameter(torch.randn(RANK, columns) / columns**0.5)
        self.second = nn.Parameter(torch.zeros(rows, RANK))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.second @ self.first


class GuidedLinear(nn.Linear):
    """A linear output y, beside which two differences are read, which are nothing at first: y + (w1 − 1) d1 + w2 d2."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__(base.in_features, base.out_features)
        self.load_state_dict(base.state_dict())
        self.pulls = nn.Linear(base.in_features, 2 * base.out_features)
        for parameter in self.pulls.parameters():
            nn.init.zeros_(parameter)
        self.guidance: Tensor | None = None  # (B, 2), w1 and w2 of the present pass

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, ..., in) to (B, ..., out)."""
        assert self.guidance is not None
        w1, w2 = (w.view(-1, *[1] * (x.ndim - 1)).to(x.dtype) for w in self.guidance.unbind(1))
        text, history = self.pulls(x).chunk(2, dim=-1)
        return super().forward(x) + (w1 - 1) * text + w2 * history


class Student(StoryTransformer3DModel):
    """The generator's transformer, of which `timestep_cond` are the weights of the guidance, (B, 2)."""

    proj_out: nn.Linear

    def guided(self) -> Student:
        """Gives one with the teacher's weights what a student has of its own; until that is trained it is the
        teacher's branch "full", whatever the weights of the guidance."""
        self.requires_grad_(False)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear) and ADAPTED.fullmatch(name):
                parametrize.register_parametrization(module, "weight", LowRank(module.weight))
        self.proj_out = GuidedLinear(self.proj_out)
        if self.detail is not None:
            self.detail.out = GuidedLinear(self.detail.out)
        embedding = self.time_embedding
        embedding.cond_proj = nn.Linear(FEATURES, embedding.linear_1.in_features, bias=False)
        nn.init.zeros_(embedding.cond_proj.weight)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(bool(OWN.search(name)))
        return self

    def forward(self, hidden_states: Tensor, encoder_hidden_states: Tensor, timestep: Tensor, *args, **options):
        """As the generator's; the weights of the guidance are the fourth argument, `timestep_cond`."""
        guidance = args[0] if args else options.pop("timestep_cond")
        guidance = guidance.float().clamp(0, LARGEST)
        for output in self._outputs():
            output.guidance = guidance
        told = dials(*guidance.unbind(1)).to(hidden_states.dtype)
        return super().forward(hidden_states, encoder_hidden_states, timestep, told, *args[1:], **options)

    def _outputs(self) -> list[GuidedLinear]:
        outputs = (self.proj_out, self.detail.out if self.detail is not None else None)
        return [output for output in outputs if isinstance(output, GuidedLinear)]

    def merged(self) -> Student:
        """With what is added to its matrices in them, for use."""
        for module in list(self.modules()):
            if parametrize.is_parametrized(module, "weight"):
                parametrize.remove_parametrizations(module, "weight")
        return self.eval().requires_grad_(False)


def untrained(teacher: StoryTransformer3DModel) -> Student:
    """A student of a teacher that has learned nothing yet."""
    student = Student.from_config(teacher.config)
    student.load_state_dict({name: value.float() for name, value in teacher.state_dict().items()})
    return student.guided()


def save(student: Student, folder: Path) -> None:
    """Writes what a student has of its own, in half precision, with its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    student.save_config(folder)
    own = {name: value.detach().half().cpu() for name, value in student.named_parameters() if OWN.search(name)}
    save_file(own, folder / WEIGHTS, {"format": "pt"})


def load(folder: Path, teacher: StoryTransformer3DModel) -> Student:
    """What `save` wrote, put on its teacher, in that one's precision and where that one is. Raises WeightsError for
    weights that are not whole or of another model."""
    check_component(folder)
    student, own = untrained(teacher), load_file(folder / WEIGHTS)
    wanted = {name: value.shape for name, value in student.named_parameters() if OWN.search(name)}
    if wanted != {name: value.shape for name, value in own.items()}:
        raise WeightsError(f"the student in {str(folder)!r} is not of this model: expected weights of its shapes")
    student.load_state_dict(own, strict=False)
    return student.merged().to(teacher.device, teacher.dtype)


def dials(w1: Tensor, w2: Tensor) -> Tensor:
    """What the time embedding is told of weights, float32 (B, FEATURES), from w1 and w2, each (B)."""
    weights = torch.stack([w1, w2], dim=1)
    parts = (weights / LARGEST, (weights / LARGEST).square(), weights.log1p() / 2, (-weights).exp())
    return STRENGTH * torch.cat(parts, dim=1)
