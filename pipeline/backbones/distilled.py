"""Models that were distilled to a few steps: what a model_index.json says of it, and what follows. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ThroughlineError

if TYPE_CHECKING:
    from .base import Native

KEY = "few_steps"  # of a model_index.json: {"steps": 4, "text": 1.0}
MOST = 50  # steps
SHIFTS = {  # what the schedule of a family calls the shift of its noise levels
    "AutoencoderKLWan": "shift",
    "AutoencoderKLCogVideoX": "snr_shift_scale",
}
ALONE = (
    "at a text weight of 1 the negative prompt has no part, and only the weight of the history (w2) acts: two branches "
    "a step for a scene that remembers, else one"
)


def suited(native: Native, settings: Mapping[str, Any]) -> Native:
    """What suits a model whose settings say that it takes a few steps; for others as it is."""
    few = settings.get(KEY)
    return replace(native, steps=int(few["steps"]), text=float(few["text"])) if few else native


@dataclass(frozen=True)
class FewSteps:
    """text: w1. shift: of the noise levels that the LoRA was trained at; None for the model's own."""

    steps: int
    text: float = 1.0
    shift: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MOST:
            raise ThroughlineError(f"steps is {self.steps}: expected 1 to {MOST}")
        if not 0 < self.text <= 30:
            raise ThroughlineError(f"text is {self.text}: expected a weight from 0 to 30")
        if self.shift is not None and not 0 < self.shift <= 100:
            raise ThroughlineError(f"shift is {self.shift}: expected a number from 0 to 100")

    def write(self, folder: Path) -> str:
        """Into a model folder, and says what follows. Raises ThroughlineError for a family without such a shift."""
        path = folder / "model_index.json"
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        index[KEY] = {"steps": self.steps, "text": self.text}
        autoencoder = index["vae"][1]
        if self.shift is not None and autoencoder not in SHIFTS:
            raise ThroughlineError(f"shift is {self.shift:g}: expected none for a model with an {autoencoder}")
        if autoencoder == "AutoencoderKLWan":
            self._euler(folder, index)
        elif self.shift is not None:
            scheduler = folder / "scheduler" / "scheduler_config.json"
            _rewrite(scheduler, json.loads(scheduler.read_text(encoding="utf-8")) | {SHIFTS[autoencoder]: self.shift})
        _rewrite(path, index)
        return f"{self.steps} steps at a text weight of {self.text:g}" + (f": {ALONE}" if self.text == 1 else "")

    def _euler(self, folder: Path, index: dict[str, Any]) -> None:
        """Wan's are run with Euler's steps, from noise levels that are evenly spaced before they are shifted."""
        old = json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
        shift = old.get("flow_shift", old.get("shift", 1.0)) if self.shift is None else self.shift
        config = {"num_train_timesteps": old.get("num_train_timesteps", 1000), "shift": shift}
        name = "FlowMatchEulerDiscreteScheduler"
        _rewrite(folder / "scheduler" / "scheduler_config.json", {"_class_name": name, **config})
        index["scheduler"] = ["diffusers", name]


def _rewrite(path: Path, content: Mapping[str, Any]) -> None:
    """A new file: the old one may be shared with the model that it came from."""
    path.unlink()
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
