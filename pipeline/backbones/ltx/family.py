"""How a folder with an LTX-Video model is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...encoders.latents import Where
from ...errors import ThroughlineError
from ..base import Native
from ..checkpoints import check_folder, read_index, variant
from ..distilled import suited
from ..registry import class_of
from .backbone import HISTORIES, NATIVE, LTXBackbone
from .transformer import StoryLTXVideoTransformer3DModel

CLASSES = {  # of components: what they may be
    "transformer": ("LTXVideoTransformer3DModel", StoryLTXVideoTransformer3DModel.__name__),
    "text_encoder": ("T5EncoderModel",),
}
MADE_FOR = ("LTXPipeline", "LTXImageToVideoPipeline", "StoryPipeline")  # others lay out positions in another way


class LTXFamily:
    """`base.Family`."""

    name = LTXBackbone.name

    def native(self, folder: Path) -> Native:
        return suited(NATIVE, read_index(folder / "model_index.json"))

    def histories(self, folder: Path) -> tuple[str, ...]:
        return HISTORIES

    def continues(self, folder: Path) -> bool:
        return False

    def components(self, folder: Path, precision: torch.dtype) -> dict[str, Any]:
        _check(folder, check_folder(folder))
        component = folder / "transformer"
        half = {"variant": variant(component)} if variant(component) else {}
        network = StoryLTXVideoTransformer3DModel.from_pretrained(
            component, use_safetensors=True, local_files_only=True, dtype=precision, **half
        )
        return {"dtype": precision, "transformer": network, **half}

    def bind(self, components: Mapping[str, Any], where: Where) -> LTXBackbone:
        return LTXBackbone(components, where)


FAMILY = LTXFamily()


def _check(folder: Path, index: Mapping[str, Any]) -> None:
    """Raises ThroughlineError for folders with LTX-Video's autoencoder that are another model."""
    for name, expected in CLASSES.items():
        found = class_of(index, name)
        if found not in expected:
            raise ThroughlineError(f"model {str(folder)!r} has {found} as its {name}: expected {expected[0]}")
    if (found := index.get("_class_name")) not in MADE_FOR:
        raise ThroughlineError(f"model {str(folder)!r} is made for {found}: expected one for {MADE_FOR[0]}")
    transformer, vae = (
        json.loads((folder / name / "config.json").read_text(encoding="utf-8")) for name in ("transformer", "vae")
    )
    for side in ("patch_size", "patch_size_t"):
        if transformer.get(side, 1) != 1:
            raise ThroughlineError(f"model {str(folder)!r} has a {side} of {transformer[side]}: expected 1")
    if any(vae.get("decoder_inject_noise") or ()):
        raise ThroughlineError(
            f"model {str(folder)!r} has a decoder that draws noise which no seed decides (0.9.1): expected one without"
        )
