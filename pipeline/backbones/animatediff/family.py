"""How a folder with an image model and its motion adapter is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel
from transformers import CLIPVisionModelWithProjection

from ...encoders.latents import Where
from ...errors import ThroughlineError, WeightsError
from ..base import Native
from ..checkpoints import check_complete, check_component, check_folder, network_of, read_index, variant
from ..distilled import suited
from ..registry import class_of
from .backbone import HISTORIES, AnimateDiffBackbone, native
from .ip_adapter import IPAdapter
from .samplers import GIVEN, PREDICTIONS

CLASSES = {"text_encoder": "CLIPTextModel", "tokenizer": "CLIPTokenizer"}


class AnimateDiffFamily:
    """`base.Family`. A folder has the layout of an AnimateDiffPipeline, or that of a StableDiffusionPipeline and beside
    its parts a motion_adapter. Either may have an ip_adapter, with one safetensors file, and the image_encoder that it
    reads pictures with."""

    name = AnimateDiffBackbone.name

    def native(self, folder: Path) -> Native:
        vae, network = _config(folder, "vae"), _config(folder, network_of(folder))
        if network["_class_name"] == UNet2DConditionModel.__name__:
            network["motion_max_seq_length"] = _config(folder, "motion_adapter")["motion_max_seq_length"]
        unit = 2 ** (len(vae["block_out_channels"]) - 1)
        index = read_index(folder / "model_index.json")
        return suited(native(network, unit, str(class_of(index, "scheduler"))), index)

    def histories(self, folder: Path) -> tuple[str, ...]:
        return HISTORIES

    def continues(self, folder: Path) -> bool:
        return False

    def components(self, folder: Path, precision: torch.dtype) -> dict[str, Any]:
        """The U-Net becomes the one with temporal layers. An image_encoder without an IP-Adapter is not loaded."""
        index = check_folder(folder)
        _check(folder, index)
        options: dict[str, Any] = {"dtype": precision}
        if class_of(index, "unet"):
            options |= {"transformer": _network(folder, index, precision), "image_encoder": None}
            if (folder / "ip_adapter").is_dir():
                options |= _adapter(folder, options["transformer"], precision)
        elif class_of(index, "ip_adapter"):  # as `StoryPipeline` saved it
            options["ip_adapter"] = _part(IPAdapter, folder / "ip_adapter", precision)
        return options

    def bind(self, components: Mapping[str, Any], where: Where) -> AnimateDiffBackbone:
        return AnimateDiffBackbone(components, where)


FAMILY = AnimateDiffFamily()


def _config(folder: Path, name: str) -> dict[str, Any]:
    file = "scheduler_config.json" if name == "scheduler" else "config.json"
    found: dict[str, Any] = json.loads((folder / name / file).read_text(encoding="utf-8"))
    return found


def _network(folder: Path, index: Mapping[str, Any], precision: torch.dtype) -> UNetMotionModel:
    if class_of(index, "unet") == UNetMotionModel.__name__:
        return _part(UNetMotionModel, folder / "unet", precision)
    unet = _part(UNet2DConditionModel, folder / "unet", precision)
    return UNetMotionModel.from_unet2d(unet, _part(MotionAdapter, folder / "motion_adapter", precision)).eval()


def _adapter(folder: Path, unet: UNetMotionModel, precision: torch.dtype) -> dict[str, Any]:
    """An IP-Adapter and its image encoder. Raises WeightsError for what is not there or does not fit."""
    files, encoder = sorted((folder / "ip_adapter").glob("*.safetensors")), folder / "image_encoder"
    if len(files) != 1:
        raise WeightsError(f"{folder / 'ip_adapter'} has {len(files)} safetensors files: expected one IP-Adapter")
    check_component(encoder)
    adapter = IPAdapter.read(files[0], unet, precision)
    vision = _part(CLIPVisionModelWithProjection, encoder, precision).eval()
    adapter.check(vision, encoder)
    return {"ip_adapter": adapter, "image_encoder": vision}


def _part(kind: Any, folder: Path, precision: torch.dtype) -> Any:
    """Raises WeightsError for weights that are not all there."""
    half = variant(folder)
    found = kind.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, dtype=precision, **({"variant": half} if half else {})
    )
    check_complete(found.state_dict(), folder)
    return found


def _check(folder: Path, index: Mapping[str, Any]) -> None:
    """Raises ThroughlineError for folders with an image autoencoder that are no such model."""
    network, where = network_of(folder), f"model {str(folder)!r}"
    found = class_of(index, network)
    if found not in (UNetMotionModel.__name__, UNet2DConditionModel.__name__):
        raise ThroughlineError(
            f"{where} has {found} as its {network}: expected UNetMotionModel or UNet2DConditionModel"
        )
    if found == UNet2DConditionModel.__name__ and not class_of(index, "motion_adapter"):
        raise ThroughlineError(f"{where} makes pictures: expected a motion_adapter beside its parts")
    for name, wanted in CLASSES.items():
        if class_of(index, name) not in (wanted, f"{wanted}Fast"):
            raise ThroughlineError(f"{where} has {class_of(index, name)} as its {name}: expected {wanted}")
    config, scheduler = _config(folder, network), _config(folder, "scheduler")
    if config.get("addition_embed_type") or class_of(index, "text_encoder_2"):
        raise ThroughlineError(f"{where} is of the class of Stable Diffusion XL: expected 1.5 or 2")
    if config.get("in_channels") != config.get("out_channels"):
        channels = f"{config.get('in_channels')} channels in, {config.get('out_channels')} out"
        raise ThroughlineError(f"{where} has {channels}: expected a text-to-video model, with as many")
    sampler, predicts = class_of(index, "scheduler"), scheduler.get("prediction_type", "epsilon")
    if sampler not in GIVEN or predicts not in PREDICTIONS:
        expected = f"{', '.join(GIVEN)} from {' or '.join(PREDICTIONS)}"
        raise ThroughlineError(f"{where} is sampled by {sampler} from its {predicts}: expected {expected}")
