"""How a folder with a Wan model is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPVisionModel

from ...encoders.latents import Where
from ...errors import ThroughlineError
from ..base import Native
from ..checkpoints import check_folder, gguf_of, read_index, variant
from ..registry import class_of
from .backbone import HISTORIES, WanBackbone, native
from .gguf_weights import load
from .transformer import StoryWanTransformer3DModel
from .vace import StoryWanVACETransformer3DModel

EXPERTS = ("transformer", "transformer_2")
KINDS: dict[str, Any] = {  # of transformers: as they are published, and as they are here
    "WanTransformer3DModel": StoryWanTransformer3DModel,
    "WanVACETransformer3DModel": StoryWanVACETransformer3DModel,
}
OURS = {kind.__name__: kind for kind in KINDS.values()}


class WanFamily:
    """`base.Family`."""

    name = WanBackbone.name

    def native(self, folder: Path) -> Native:
        return native(read_index(folder / "model_index.json"))

    def histories(self, folder: Path) -> tuple[str, ...]:
        return HISTORIES

    def continues(self, folder: Path) -> bool:
        config = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
        expands = bool(read_index(folder / "model_index.json").get("expand_timesteps"))
        return expands or config["in_channels"] > config["out_channels"]

    def components(self, folder: Path, precision: torch.dtype) -> dict[str, Any]:
        """The autoencoder stays in float32, as its authors advise."""
        index = check_folder(folder)
        _check(folder, index)
        options: dict[str, Any] = {"dtype": {"vae": torch.float32, "default": precision}}
        for name in EXPERTS:
            if found := class_of(index, name):
                options[name] = _network((KINDS | OURS)[found], folder / name, precision)
        return options

    def bind(self, components: Mapping[str, Any], where: Where) -> WanBackbone:
        return WanBackbone(components, where)


FAMILY = WanFamily()


def _network(kind: Any, component: Path, precision: torch.dtype) -> Any:
    if shared := gguf_of(component):
        return load(kind, component, shared, precision)
    half = {"variant": variant(component)} if variant(component) else {}
    return kind.from_pretrained(component, use_safetensors=True, local_files_only=True, dtype=precision, **half)


def _check(folder: Path, index: Mapping[str, Any]) -> None:
    """Raises ThroughlineError for folders with Wan's autoencoder that are another model."""
    found = class_of(index, "text_encoder")
    if found != "UMT5EncoderModel":
        raise ThroughlineError(f"model {str(folder)!r} has {found} as its text_encoder: expected UMT5EncoderModel")
    found = class_of(index, "transformer")
    if found not in KINDS | OURS:
        raise ThroughlineError(f"model {str(folder)!r} has {found} as its transformer: expected {' or '.join(KINDS)}")
    if index.get("boundary_ratio") is not None and not class_of(index, "transformer_2"):
        raise ThroughlineError(f"model {str(folder)!r} has a boundary_ratio and no transformer_2: expected both")
    transformer, vae = (
        json.loads((folder / name / "config.json").read_text(encoding="utf-8")) for name in ("transformer", "vae")
    )
    into, out, period = (config.get(name) for config, name in (
        (transformer, "in_channels"), (transformer, "out_channels"), (vae, "scale_factor_temporal"),
    ))  # fmt: skip
    if into not in (out, 2 * out + period):
        raise ThroughlineError(
            f"model {str(folder)!r} has {into} channels in, {out} out: expected as many (from text), or "
            f"{2 * out + period} (from pictures)"
        )
    if transformer.get("image_dim") is not None:
        _check_reads(folder, index, transformer)


def _check_reads(folder: Path, index: Mapping[str, Any], transformer: Mapping[str, Any]) -> None:
    """Raises ThroughlineError for a model that reads pictures in another way than those of 2.1 that start from one."""
    found = class_of(index, "image_encoder")
    if found != CLIPVisionModel.__name__:
        raise ThroughlineError(
            f"model {str(folder)!r} reads pictures with {found}: expected an image_encoder, {CLIPVisionModel.__name__}"
        )
    if transformer.get("pos_embed_seq_len") is not None:
        raise ThroughlineError(
            f"model {str(folder)!r} reads a first and a last picture: expected one that reads the first alone, or one "
            "of 2.2, which takes both"
        )
