"""The families of models. Importing this module loads no model and no torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ThroughlineError
from .checkpoints import read_index

if TYPE_CHECKING:
    from types import ModuleType

    from .base import Family

FAMILIES: dict[str, str] = {  # the class of a model's autoencoder tells its family: the module that has it as FAMILY
    "AutoencoderLinearVideo": "pipeline.backbones.picturebook",
    "AutoencoderKLCogVideoX": "pipeline.backbones.cogvideox",
    "AutoencoderKLWan": "pipeline.backbones.wan.family",
    "AutoencoderKLLTXVideo": "pipeline.backbones.ltx.family",
    "AutoencoderKLLTX2Video": "pipeline.backbones.ltx2.family",
    "AutoencoderKL": "pipeline.backbones.animatediff.family",
    "AutoencoderKLTemporalDecoder": "pipeline.backbones.animatediff.family",
}
PROMPTS: dict[str, str] = {  # of families that do something to a prompt before the tokenizer does: by the same names
    "AutoencoderKLWan": "pipeline.backbones.wan.prompts",
    "AutoencoderKLLTXVideo": "pipeline.backbones.ltx.prompts",
    "AutoencoderKLLTX2Video": "pipeline.backbones.ltx2.prompts",
    "AutoencoderKL": "pipeline.backbones.animatediff.prompts",
    "AutoencoderKLTemporalDecoder": "pipeline.backbones.animatediff.prompts",
}


def family(autoencoder: str) -> Family:
    """The family whose autoencoder has that class. Raises ThroughlineError for none."""
    if autoencoder not in FAMILIES:
        raise ThroughlineError(f"autoencoder is a {autoencoder}: expected {' or '.join(FAMILIES)}")
    return importlib.import_module(FAMILIES[autoencoder]).FAMILY  # type: ignore[no-any-return]


def family_of(folder: Path) -> Family:
    """The family of the model in a folder that `checkpoints.find` gave. Raises ThroughlineError for none."""
    found = class_of(read_index(folder / "model_index.json"), "vae")
    if found not in FAMILIES:
        raise ThroughlineError(f"model {str(folder)!r} has {found} as its vae: expected {' or '.join(FAMILIES)}")
    return family(found)


def prompts_of(folder: Path) -> ModuleType | None:
    """The module with MAX_TOKENS and clean(text) of the family of the model in a folder, which imports no torch; None
    for a family whose tokenizer does all."""
    found = class_of(read_index(folder / "model_index.json"), "vae")
    return importlib.import_module(PROMPTS[found]) if found in PROMPTS else None


def class_of(index: Mapping[str, Any], component: str) -> str | None:
    """The class of a component by a model_index.json; None if it has none."""
    value = index.get(component)
    return value[1] if isinstance(value, list) else None
