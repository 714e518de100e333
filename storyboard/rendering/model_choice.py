"""Which model, and how it is to run: the options that every command shares, from the shell to a loaded pipeline.

Importing this module loads no model and no torch.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.backbones import checkpoints
from pipeline.backbones.counting import TokenCounter
from pipeline.backbones.distilled import ALONE
from pipeline.backbones.registry import family_of
from pipeline.defaults import HISTORIES, MEMORIES, SPEEDS, WEIGHTS
from pipeline.language import vocabulary

if TYPE_CHECKING:
    from pipeline.story_pipeline import StoryPipeline

    from .finishing.finisher import Finisher


@dataclass(frozen=True)
class Choice:
    """The arguments of `loading.load`, in the same words, and what finishes clips."""

    model: str = "picturebook"
    revision: str | None = None
    offline: bool = False
    memory: str = "auto"
    history: str | None = None
    device: str | None = None
    dtype: str | None = None
    speed: str = "exact"
    weights: str = "auto"
    upscaler: str | None = None  # file or folder of one of the user's own

    @classmethod
    def of(cls, options: argparse.Namespace) -> Choice:
        """What was asked for; options that a command does not have are left as they are."""
        given: dict[str, Any] = {field.name: getattr(options, field.name, field.default) for field in fields(cls)}
        return cls(**given)

    def find(self) -> Path:
        """The model's folder, downloaded if need be. Raises ThroughlineError."""
        return checkpoints.find(self.model, self.revision, self.offline)

    def digest(self) -> str:
        """Of everything about the model that decides what a scene looks like. Raises ThroughlineError."""
        folder = self.find()
        weights = checkpoints.digest(folder)
        if self.history is None or self.history == _usual_history(folder):
            return weights
        return hashlib.sha256(f"{weights} history {self.history}".encode()).hexdigest()

    def continuation(self) -> str | None:
        """Of what decides besides about scenes with known frames. Raises ThroughlineError."""
        return checkpoints.continuation_digest(self.find())

    def encoder(self) -> TokenCounter:
        """Counts the tokens of a prompt as the model does, without loading it. Raises ThroughlineError."""
        return TokenCounter.of(self.find())

    def period(self) -> int:
        """Frames that a latent of its clips stands for. Raises ThroughlineError."""
        folder = self.find()
        return family_of(folder).native(folder).period

    def continues(self) -> bool:
        """Whether its clips can begin with the end of others. Raises ThroughlineError."""
        folder = self.find()
        return family_of(folder).continues(folder)

    def finisher(self) -> Finisher:
        """Of clips. Raises ThroughlineError for an upscaler that is none."""
        from .finishing.finisher import Finisher

        return Finisher(self.upscaler, self.device)

    def casts(self) -> bool:
        """Whether it knows the picture book, which draws whom nobody describes. Raises ThroughlineError."""
        return bool(vocabulary.read(self.find()))

    def load(self) -> StoryPipeline:
        """The pipeline; what was chosen to fit its memory is said on stderr. Raises ThroughlineError."""
        from pipeline import loading

        named = {name: getattr(self, name) for name in ("memory", "weights", "history", "revision", "offline", "speed")}
        pipeline = loading.load(self.model, self.device, self.dtype, **named)
        if pipeline.backbone.quantizable or (self.memory, self.weights) != ("auto", "auto"):
            print(pipeline.placement.said[-1], file=sys.stderr)
        if pipeline.guidance.text == 1:
            print(ALONE, file=sys.stderr)
        return pipeline


MODEL_HELP = (
    "picturebook, which ships with Throughline (default), a hub id such as THUDM/CogVideoX-2b, or a local model folder"
)
MEMORY_HELP = (
    "what is saved on: nothing, all but one model at a time, all but one layer at a time with 8-bit weights; by "
    "default what the card needs"
)
WEIGHTS_HELP = (
    "what a large model keeps its weights in: full precision, 8-bit integers (torchao) or 8-bit floats (default: 8 "
    "bits with --memory low alone)"
)
HISTORY_HELP = (
    "how the past is remembered: as the model was trained to, by reference frames, or not (default: as trained, else "
    "by reference)"
)
SPEED_HELP = (
    "fast passes over what hardly changes from step to step, and stops guiding before the end: nearly the same picture "
    "in less time (default: exact)"
)


UPSCALER_HELP = (
    "what finishes clips of any size: a folder with Swin2SR or Stable Diffusion's upscaler, or a file that spandrel "
    "reads (default: the one that ships, for clips up to 240 pixels wide)"
)


def add_options(group: argparse._ActionsContainer) -> None:
    """The options of `Choice` but device and dtype, which not every command has."""
    group.add_argument("--model", default="picturebook", metavar="NAME", help=MODEL_HELP)
    group.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a hub id (default: main)")
    group.add_argument("--offline", action="store_true", help="take a hub id from the cache, never the network")
    group.add_argument("--memory", choices=MEMORIES, default="auto", help=MEMORY_HELP)
    group.add_argument("--weights", choices=WEIGHTS, default="auto", help=WEIGHTS_HELP)
    group.add_argument("--history", choices=HISTORIES, help=HISTORY_HELP)
    group.add_argument("--speed", choices=SPEEDS, default="exact", help=SPEED_HELP)
    group.add_argument("--upscaler", metavar="FOLDER", help=UPSCALER_HELP)


def _usual_history(folder: Path) -> str:
    from pipeline.backbones.registry import family_of

    return family_of(folder).histories(folder)[0]
