"""Checks of a model folder before anything is loaded from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..errors import ThroughlineError, WeightsError

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
WEIGHTLESS = ("scheduler", "tokenizer")  # components that have no weights


def check_folder(folder: Path) -> dict:
    """The `model_index.json` of a diffusers folder whose weights are all there, whole, and safetensors.

    Raises ThroughlineError if it is no model folder, WeightsError if a weight file is missing, truncated or a pickle.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        raise ThroughlineError(f"model is {str(folder)!r}: expected 'picturebook' or a folder with a model_index.json")
    components = read_index(index)
    for name, value in components.items():
        if not name.startswith("_") and isinstance(value, list) and value and value[0] and name not in WEIGHTLESS:
            _check_component(folder / name)
    return components


def read_index(path: Path) -> dict[str, Any]:
    """The components that a model_index.json names. Raises WeightsError."""
    try:
        components = json.loads(path.read_text())
    except ValueError as error:
        raise WeightsError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(components, dict):
        raise WeightsError(f"{path} lists no components: expected names with their classes")
    return components


def _check_component(folder: Path) -> None:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = [path for path in folder.glob("*") if path.suffix in PICKLES]
        if pickles:
            raise WeightsError(f"{pickles[0]} is a pickle, which could run code: expected a .safetensors file")
        raise WeightsError(f"no weights in {folder}: expected a .safetensors file")
    for index in folder.glob("*.safetensors.index.json"):
        parts = set(json.loads(index.read_text())["weight_map"].values())
        lacking = sorted(parts - {path.name for path in files})
        if lacking:
            raise WeightsError(f"no {lacking[0]} in {folder}: expected all {len(parts)} files of {index.name}")
    for path in files:
        try:
            with safe_open(path, "np") as weights:
                weights.keys()
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path} is no whole safetensors file ({error})") from None
