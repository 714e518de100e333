"""Other image encoders for the continuity meter: DINOv2 and CLIP through transformers, from a local folder or from the
hub's cache. Nothing is downloaded, and only safetensors are loaded.

They were trained on photographs, and suit larger backbones; the embedded model's own encoder knows its picture book.
Pictures are squeezed to a square, as for the extractor, so that its attention maps lie over their patches.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoTokenizer,
    CLIPModel,
    CLIPVisionModelWithProjection,
    Dinov2Model,
    Dinov2WithRegistersModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ..errors import ThroughlineError, WeightsError
from .image import CLIP_MEAN, CLIP_STD

REPOS = {"dinov2": "facebook/dinov2-base", "clip": "openai/clip-vit-base-patch32"}  # names for hub ids
KINDS = {
    "clip": CLIPModel,
    "clip_vision_model": CLIPVisionModelWithProjection,
    "dinov2": Dinov2Model,
    "dinov2_with_registers": Dinov2WithRegistersModel,
}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MOST_PIXELS = 224  # a side: DINOv2 was trained at 518, which takes five times as long


class LookEncoder(Protocol):
    """What `continuity.measurement.Gauge` asks of an encoder."""

    name: str

    def regions(self, frames: np.ndarray, maps: Tensor) -> Tensor:
        """Looks of m regions, (m, d), of frames, uint8 (F, H, W, 3): the mean over frames of patch features weighted
        by maps (F, m, rows, columns), which sum to 1."""
        ...

    def agreement(self, frames: np.ndarray, text: str) -> float | None:
        """Cosine of frames and text; None from an encoder that reads no text."""
        ...


class VisionEncoder:
    """A DINOv2 or CLIP model. tokenizer: of a CLIP model with its text half, None for the others."""

    def __init__(self, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None) -> None:
        self.name, self.model, self.tokenizer = name, model.eval().requires_grad_(False), tokenizer
        config = getattr(model.config, "vision_config", model.config)
        self.patch = config.patch_size
        self.clip = config.model_type.startswith("clip")
        most = config.image_size if self.clip else min(config.image_size, MOST_PIXELS)
        self.side = most // self.patch
        self.special = 1 + getattr(config, "num_register_tokens", 0)  # tokens before those of the patches

    @torch.no_grad()
    def regions(self, frames: np.ndarray, maps: Tensor) -> Tensor:
        """See `LookEncoder`."""
        weights = F.interpolate(maps.float(), (self.side, self.side), mode="bilinear", antialias=True).flatten(2)
        weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-9)
        return torch.einsum("fmp,fpd->md", weights, self._patches(frames).float().cpu()) / len(frames)

    @torch.no_grad()
    def agreement(self, frames: np.ndarray, text: str) -> float | None:
        """See `LookEncoder`. A text that is longer than CLIP reads counts up to there."""
        if self.tokenizer is None:
            return None
        words = self.tokenizer(
            text, truncation=True, max_length=self.model.config.text_config.max_position_embeddings, return_tensors="pt"
        ).to(self.model.device)
        said = self.model.text_projection(self.model.text_model(**words).pooler_output)[0]
        seen = self.model.visual_projection(self.model.vision_model(self._pixels(frames)).pooler_output).mean(0)
        return float(F.cosine_similarity(said.float(), seen.float(), dim=0))

    def _patches(self, frames: np.ndarray) -> Tensor:
        """(F, P, d)."""
        model = self.model.vision_model if self.clip else self.model
        hidden = model(pixel_values=self._pixels(frames)).last_hidden_state[:, self.special :]
        return model.post_layernorm(hidden) if self.clip else hidden

    def _pixels(self, frames: np.ndarray) -> Tensor:
        x = torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, 1).float() / 255
        x = F.interpolate(x, (self.side * self.patch,) * 2, mode="bilinear", antialias=True)
        norms = (CLIP_MEAN, CLIP_STD) if self.clip else (IMAGENET_MEAN, IMAGENET_STD)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in norms)
        return ((x - mean) / std).to(self.model.device, self.model.dtype)


def load(name: str, device: str | torch.device = "cpu", cache_folder: Path | None = None) -> VisionEncoder:
    """The encoder called `name`: one of REPOS, a hub id, or a local folder with a config.json.

    cache_folder replaces the hub cache's usual place. Raises ThroughlineError for a name that is none of these or a
    model of another kind, WeightsError for weights that are missing or no safetensors.
    """
    folder = find(name, cache_folder)
    kind = _kind(folder)
    try:
        model, told = KINDS[kind].from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"image encoder {name!r} cannot be loaded: {reason}") from error
    if told["missing_keys"]:
        raise WeightsError(f"image encoder {name!r} cannot be loaded: it lacks {min(told['missing_keys'])!r}")
    reads = kind == "clip" and any((folder / file).is_file() for file in ("tokenizer.json", "vocab.json"))
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True) if reads else None
    return VisionEncoder(name, model.to(device), tokenizer)


def find(name: str, cache_folder: Path | None = None) -> Path:
    """The folder of an encoder, not loaded. Raises as `load` does for one that is not there."""
    if (Path(name) / "config.json").is_file():
        return Path(name)
    repo = REPOS.get(name, name)
    looked_up = [_cached(repo, file, cache_folder) for file in ("config.json", "model.safetensors")]
    if all(isinstance(path, str) for path in looked_up):
        return Path(str(looked_up[0])).parent
    raise ThroughlineError(
        f"image encoder is {name!r}: expected 'own', {', '.join(map(repr, REPOS))} or a hub id whose weights are in "
        "the Hugging Face cache, or a local folder"
    )


def _cached(repo: str, file: str, cache_folder: Path | None) -> object:
    try:
        return try_to_load_from_cache(repo, file, cache_dir=cache_folder)
    except HFValidationError:  # no hub id
        return None


def _kind(folder: Path) -> str:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise ThroughlineError(f"{folder / 'config.json'} names no model_type") from error
    if kind not in KINDS:
        raise ThroughlineError(f"image encoder {str(folder)!r} is a {kind!r}: expected one of {', '.join(KINDS)}")
    return kind
