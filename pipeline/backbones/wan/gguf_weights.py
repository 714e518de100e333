"""Wan's transformers with weights in GGUF, as people share them: a model folder, and one such file for each expert.

diffusers reads the files, and computes with weights that it expands layer by layer. Needs the package gguf.

Does not cover: other families, whose transformers diffusers reads from no single file; text encoders in GGUF.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from diffusers import GGUFQuantizationConfig

from ...errors import ThroughlineError, WeightsError


def load(kind: Any, component: Path, file: Path, precision: torch.dtype) -> Any:
    """A transformer of a kind, by the configuration of a component's folder. Raises ThroughlineError without the
    package, WeightsError for a file that lacks weights."""
    if importlib.util.find_spec("gguf") is None:
        raise ThroughlineError(f"gguf is not installed, which {file.name} needs: expected it (pip install gguf)")
    try:
        return kind.from_single_file(
            str(file), config=str(component.parent), subfolder=component.name, local_files_only=True,
            quantization_config=GGUFQuantizationConfig(compute_dtype=precision), dtype=precision,
        )  # fmt: skip
    except NotImplementedError:  # what the file lacks was made of nothing, and cannot be moved
        expected = f"all weights of a {kind.__name__} as in {component}"
        raise WeightsError(f"model {str(component.parent)!r}: {file.name} lacks weights, expected {expected}") from None
