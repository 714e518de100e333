"""Adapters as files: safetensors in diffusers' LoRA layout, named by their digest.

Keys are `transformer.<layer>.lora_A.weight` (rank, in) and `.lora_B.weight` (out, rank), as `load_lora_weights` of
diffusers reads them and as trainers for CogVideoX and Wan write them. Files of ours say in their metadata what they
were taught.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import ThroughlineError

PREFIX = "transformer."
MOST_BYTES = 1 << 30
ABOUT = "throughline"  # key of the metadata


@dataclass(frozen=True, eq=False)
class Adapter:
    """weights: by key, without PREFIX. about: what it was taught, JSON."""

    weights: Mapping[str, Tensor]
    about: Mapping[str, object]

    def to_bytes(self) -> bytes:
        """As a file. The same weights give the same bytes."""
        tensors = {PREFIX + name: self.weights[name].contiguous() for name in sorted(self.weights)}
        return save(tensors, {"format": "pt", ABOUT: json.dumps(self.about, sort_keys=True)})


def read_adapter(path: Path) -> Adapter:
    """Raises ThroughlineError for what is no LoRA of a transformer in safetensors."""
    if not path.is_file():
        raise ThroughlineError(f"adapter {path.name!r} does not exist: expected a safetensors file")
    if path.stat().st_size > MOST_BYTES:
        raise ThroughlineError(f"adapter {path.name!r} has {path.stat().st_size} bytes: expected at most {MOST_BYTES}")
    try:
        with safe_open(path, "pt") as file:
            about = (file.metadata() or {}).get(ABOUT, "{}")
            weights = {name.removeprefix(PREFIX): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Adapter(_checked(weights, path.name), json.loads(about))
    except (SafetensorError, ValueError) as error:
        raise ThroughlineError(f"adapter {path.name!r} can't be read: {error}") from None


def _checked(weights: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    down, up = (
        {key.partition(f".{part}.")[0] for key in weights if key.endswith(f".{part}.weight")}
        for part in ("lora_A", "lora_B")
    )
    if not down or down != up or len(weights) != 2 * len(down):
        raise ThroughlineError(
            f"adapter {name!r} is no LoRA in diffusers' layout: expected lora_A and lora_B of layers"
        )
    return weights


def write_adapter(adapter: Adapter, folder: Path) -> Path:
    """The file in a folder, named by its digest: written under another name, then renamed."""
    data = adapter.to_bytes()
    path = folder / f"{hashlib.sha256(data).hexdigest()}.safetensors"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)
    return path
