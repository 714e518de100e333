"""How a folder with an LTX-2 model is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

from ...errors import ThroughlineError
from ..checkpoints import check_folder, variant
from ..ltx.backbone import LTXBackbone
from ..ltx.family import LTXFamily
from .backbone import LTX2Backbone


class LTX2Family(LTXFamily):
    """`base.Family`: of LTX-2.0 and 2.3."""

    backbone: ClassVar[type[LTXBackbone]] = LTX2Backbone
    classes: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "transformer": ("LTX2VideoTransformer3DModel",),
        "text_encoder": ("Gemma3ForConditionalGeneration",),
        "connectors": ("LTX2TextConnectors",),
        "audio_vae": ("AutoencoderKLLTX2Audio",),
    }
    made_for: ClassVar[tuple[str, ...]] = ("LTX2Pipeline", "LTX2ImageToVideoPipeline", "StoryPipeline")

    def components(self, folder: Path, precision: torch.dtype) -> dict[str, Any]:
        self.check(folder, check_folder(folder))
        half = variant(folder / "transformer")
        return {"dtype": precision} | ({"variant": half} if half else {})

    def check(self, folder: Path, index: Mapping[str, Any]) -> None:
        super().check(folder, index)
        connectors = json.loads((folder / "connectors" / "config.json").read_text(encoding="utf-8"))
        for name in ("video", "audio"):
            if not connectors.get(f"{name}_connector_num_learnable_registers", 1):
                raise ThroughlineError(
                    f"model {str(folder)!r} has no registers in the connectors of its {name}: expected some"
                )


FAMILY = LTX2Family()
