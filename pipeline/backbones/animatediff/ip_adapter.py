"""IP-Adapter (Ye et al. 2023): pictures as prompts, beside the text, in the cross-attention of an image model.

An adapter is a component of its own beside the U-Net, which stays what it is: without pictures nothing of it is run.
Files are read by diffusers, as its pipelines do in `load_ip_adapter`.

Does not cover: adapters for faces, which read other features than CLIP's.

Letters: r pictures, n tokens of a picture, t width of the text encoder, C cross-attentions, d width of a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin, UNetMotionModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import ImageProjection, IPAdapterPlusImageProjection
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPVisionModelWithProjection

from ...blocks.attention import KeysValues
from ...encoders.clip_pictures import pixels_for
from ...errors import WeightsError

PARTS = ("image_proj", "ip_adapter")  # of a file
KINDS: dict[str, Any] = {kind.__name__: kind for kind in (ImageProjection, IPAdapterPlusImageProjection)}


class IPAdapter(ModelMixin, ConfigMixin):
    """What makes tokens of a picture, and for every cross-attention their keys and values.

    kind, sizes: of KINDS, and what it is made with. text_width: t. widths: d of every cross-attention, in the order of
    `cross_attentions`.
    """

    @register_to_config
    def __init__(self, kind: str, sizes: dict[str, int], text_width: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.projection = KINDS[kind](**sizes)
        self.to_keys, self.to_values = (
            nn.ModuleList(nn.Linear(text_width, width, bias=False) for width in widths) for _ in range(2)
        )

    @classmethod
    def read(cls, path: Path, unet: UNetMotionModel, precision: torch.dtype) -> IPAdapter:
        """From a file as they are published, for a U-Net that has diffusers' own processors. Raises WeightsError."""
        state = _state(path)
        try:
            projection = unet._convert_ip_adapter_image_proj_to_diffusers(state["image_proj"], low_cpu_mem_usage=False)
            layers = unet._convert_ip_adapter_attn_to_diffusers([state], low_cpu_mem_usage=False)
        except (KeyError, RuntimeError) as error:
            raise WeightsError(f"{path} does not fit the image model: {_reason(error)}") from None
        if type(projection).__name__ not in KINDS:
            raise WeightsError(f"{path} has an {type(projection).__name__}: expected {' or '.join(KINDS)}")
        own = [layers[name] for name in cross_attentions(unet)]
        widths = [layer.hidden_size for layer in own]
        found = cls(type(projection).__name__, _sizes(projection), unet.config.cross_attention_dim, widths)
        found.projection.load_state_dict(projection.state_dict())
        for keys, values, layer in zip(found.to_keys, found.to_values, own, strict=True):
            keys.load_state_dict(layer.to_k_ip[0].state_dict())
            values.load_state_dict(layer.to_v_ip[0].state_dict())
        return found.to(precision).eval()

    def check(self, encoder: CLIPVisionModelWithProjection, folder: Path) -> None:
        """Raises WeightsError for an image encoder, of a folder, that is not the one it was trained with."""
        is_plain, sizes = isinstance(self.projection, ImageProjection), self.config.sizes
        found = encoder.config.projection_dim if is_plain else encoder.config.hidden_size
        wanted = sizes["image_embed_dim" if is_plain else "embed_dims"]
        if found != wanted:
            raise WeightsError(f"{folder} gives {found} values a picture: expected {wanted}, which the adapter reads")

    @torch.no_grad()
    def tokens(self, pictures: Sequence[np.ndarray], encoder: CLIPVisionModelWithProjection) -> Tensor:
        """Of pictures, uint8 (H, W, 3), float32 (r, n, t) on the CPU."""
        pixels = pixels_for(encoder, pictures)
        if isinstance(self.projection, ImageProjection):
            seen = encoder(pixels).image_embeds
        else:
            seen = encoder(pixels, output_hidden_states=True).hidden_states[-2]
        tokens: Tensor = self.projection(seen.to(self.device, self.dtype))
        return tokens.float().cpu()

    def keys_and_values(self, layer: int, tokens: Tensor) -> KeysValues:
        """Of a cross-attention, tokens (B, n, t) to (B, n, d) twice."""
        return self.to_keys[layer](tokens), self.to_values[layer](tokens)


def cross_attentions(unet: UNetMotionModel) -> list[str]:
    """The names of the processors of the spatial attention to the text, in the order in which adapters count them."""
    names = [name for name in unet.attn_processors if "motion_modules" not in name]
    return [name for name in names if name.endswith("attn2.processor")]


def _state(path: Path) -> dict[str, dict[str, Tensor]]:
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is no whole safetensors file ({error})") from None
    state = {
        part: {name.removeprefix(f"{part}."): value for name, value in weights.items() if name.startswith(f"{part}.")}
        for part in PARTS
    }
    if not all(state.values()):
        raise WeightsError(f"{path} is no IP-Adapter: expected weights of {' and '.join(PARTS)}")
    return state


def _sizes(projection: nn.Module) -> dict[str, int]:
    """What a projection of its sizes is made with."""
    if isinstance(projection, ImageProjection):
        return {
            "image_embed_dim": projection.image_embeds.in_features,
            "cross_attention_dim": projection.norm.normalized_shape[0],
            "num_image_text_embeds": projection.num_image_text_embeds,
        }
    assert isinstance(projection, IPAdapterPlusImageProjection)
    _, queries, hidden = projection.latents.shape
    return {
        "embed_dims": projection.proj_in.in_features,
        "output_dims": projection.proj_out.out_features,
        "hidden_dims": hidden,
        "depth": len(projection.layers),
        "heads": projection.layers[0].attn.heads,
        "num_queries": queries,
    }


def _reason(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2].strip()
