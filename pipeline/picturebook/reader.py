"""The reader: a small network that says what a clip shows, trained on rendered clips alone (`models.reader`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from ..backbones.checkpoints import assets_folder
from ..errors import WeightsError
from .facts import ACTOR_FACTS, PLACE_FACTS
from .renderer import HEIGHT, WIDTH

FRAME_SHARES = (0.25, 0.5, 0.75)  # of the clip: frames 4, 8 and 12 of 17
SURE = 0.8  # probability of presence from which the reader is sure that somebody is there

# What is read, and the values that each can take. Facts of an actor are those of a lone one.
READ_FACTS: dict[str, tuple[str, ...]] = {
    "number": ("0", "1", "2"),
    **{f"actor {name}": values for name, values in ACTOR_FACTS.items()},
    **{f"place {name}": values for name, values in PLACE_FACTS.items()},
}


@dataclass(frozen=True)
class Reading:
    """What the reader says of one clip."""

    presence: float  # probability that anybody is there
    number: int  # of actors, 0 to 2
    actor: dict[str, str]  # "kind", "action" and the slots of a look; means nothing if number is not 1
    place: dict[str, str]  # "kind" and the slots of a place

    @property
    def sure(self) -> bool:
        return self.presence >= SURE


class ClipReader(ModelMixin, ConfigMixin):
    """Three frames of a clip to logits of every fact: strided convolutions, then one attention pool a fact.

    B clips; w width of the last layer. About 60 M multiplications a clip.
    """

    @register_to_config
    def __init__(
        self, widths: Sequence[int] = (32, 64, 96, 128), frames: int = 3, height: int = HEIGHT, width: int = WIDTH
    ):
        super().__init__()
        inputs = (3 * frames, *widths[:-1])
        self.down = nn.Sequential(*(_convolution(a, b, 2) for a, b in zip(inputs, widths, strict=True)))
        self.around = nn.ModuleList(_convolution(widths[-1], widths[-1], 1) for _ in range(2))
        shape = (widths[-1], height // 2 ** len(widths), width // 2 ** len(widths))
        self.positions = nn.Parameter(0.02 * torch.randn(shape))
        self.look = nn.Conv2d(widths[-1], len(READ_FACTS), 1)
        self.heads = nn.ModuleList(nn.Linear(widths[-1], len(values)) for values in READ_FACTS.values())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """x: (B, 9, 96, 144) in -1..1; one set of logits a fact, in the order of READ_FACTS."""
        h = self.down(x)
        for layer in self.around:
            h = h + layer(h)
        h = h + self.positions
        maps = self.look(h).flatten(2).softmax(-1)  # (B, facts, positions)
        pooled = maps @ h.flatten(2).transpose(1, 2)  # (B, facts, w)
        return tuple(head(pooled[:, i]) for i, head in enumerate(self.heads))

    @classmethod
    def load(cls, folder: Path | None = None) -> ClipReader:
        """The reader in `folder`, or the one that ships, ready to read. Raises WeightsError if it is not there."""
        folder = folder or reader_folder()
        if not (folder / "config.json").is_file():
            raise WeightsError(f"no reader in {str(folder)!r}: expected config.json and a .safetensors file")
        return cls.from_pretrained(folder, use_safetensors=True, local_files_only=True).float().eval()

    @torch.no_grad()
    def read(self, clips: Sequence[np.ndarray]) -> list[Reading]:
        """Reads whole clips, each uint8 (F, H, W, 3), of any length and size."""
        pictures = [to_input(clip[list(frames_read(len(clip)))][None]) for clip in clips]
        parts = [self(batch) for batch in torch.cat(pictures).split(64)]
        logits = {name: torch.cat([part[i] for part in parts]) for i, name in enumerate(READ_FACTS)}
        return [_reading({name: values[row] for name, values in logits.items()}) for row in range(len(clips))]


def reader_folder() -> Path:
    return assets_folder() / "picturebook" / "reader"


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def _reading(logits: dict[str, Tensor]) -> Reading:
    values = {name: READ_FACTS[name][int(row.argmax())] for name, row in logits.items()}
    actor, place = (
        {name.partition(" ")[2]: value for name, value in values.items() if name.startswith(entity)}
        for entity in ("actor", "place")
    )
    return Reading(1 - float(logits["number"].softmax(-1)[0]), int(values["number"]), actor, place)


def frames_read(num_frames: int) -> tuple[int, ...]:
    """Which frames of a clip are read."""
    return tuple(round(share * (num_frames - 1)) for share in FRAME_SHARES)


def to_input(frames: np.ndarray | Tensor) -> Tensor:
    """The frames that are read, uint8 (B, 3, H, W, 3), to what the network takes, (B, 9, 96, 144) in -1..1."""
    x = torch.as_tensor(frames).movedim(-1, 2).flatten(1, 2).float() / 127.5 - 1
    return x if x.shape[2:] == (HEIGHT, WIDTH) else F.interpolate(x, (HEIGHT, WIDTH), mode="bilinear", antialias=True)
