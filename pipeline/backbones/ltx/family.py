"""How a folder with an LTX-Video model is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

from ...encoders.latents import Where
from ...errors import ThroughlineError
from ..base import Native
from ..checkpoints import check_folder, read_index, variant
from ..distilled import suited
from ..registry import class_of
from .backbone import HISTORIES, LTXBackbone
from .transformer import StoryLTXVideoTransformer3DModel


class LTXFamily:
    """`base.Family`."""

    backbone: ClassVar[type[LTXBackbone]] = LTXBackbone
    classes: ClassVar[Mapping[str, tuple[str, ...]]] = {  # of components: what they may be
        "transformer": ("LTXVideoTransformer3DModel", StoryLTXVideoTransformer3DModel.__name__),
        "text_encoder": ("T5EncoderModel",),
    }
    made_for: ClassVar[tuple[str, ...]] = ("LTXPipeline", "LTXImageToVideoPipeline", "StoryPipeline")
    # pipelines; others lay out positions in another way

    @property
    def name(self) -> str:
        return self.backbone.name

    def native(self, folder: Path) -> Native:
        return suited(self.backbone.usual, read_index(folder / "model_index.json"))

    def histories(self, folder: Path) -> tuple[str, ...]:
        return HISTORIES

    def continues(self, folder: Path) -> bool:
        return False

    def components(self, folder: Path, precision: torch.dtype) -> dict[str, Any]:
        self.check(folder, check_folder(folder))
        component = folder / "transformer"
        half = {"variant": variant(component)} if variant(component) else {}
        network = StoryLTXVideoTransformer3DModel.from_pretrained(
            component, use_safetensors=True, local_files_only=True, dtype=precision, **half
        )
        return {"dtype": precision, "transformer": network, **half}

    def bind(self, components: Mapping[str, Any], where: Where) -> LTXBackbone:
        return self.backbone(components, where)

    def check(self, folder: Path, index: Mapping[str, Any]) -> None:
        """Raises ThroughlineError for folders with the family's autoencoder that are another model."""
        for name, expected in self.classes.items():
            found = class_of(index, name)
            if found not in expected:
                raise ThroughlineError(f"model {str(folder)!r} has {found} as its {name}: expected {expected[0]}")
        if (found := index.get("_class_name")) not in self.made_for:
            raise ThroughlineError(f"model {str(folder)!r} is made for {found}: expected one for {self.made_for[0]}")
        transformer, vae = (
            json.loads((folder / name / "config.json").read_text(encoding="utf-8")) for name in ("transformer", "vae")
        )
        for side in ("patch_size", "patch_size_t"):
            if transformer.get(side, 1) != 1:
                raise ThroughlineError(f"model {str(folder)!r} has a {side} of {transformer[side]}: expected 1")
        if any(vae.get("decoder_inject_noise") or ()):
            noisy = "a decoder that draws noise which no seed decides (0.9.1)"
            raise ThroughlineError(f"model {str(folder)!r} has {noisy}: expected one without")


FAMILY = LTXFamily()
