"""φ: keyframes to patch features. A small CLIP vision model, or any other one, behind one function."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def small_vision_model(width: int = 128, layers: int = 4) -> CLIPVisionModelWithProjection:
    """The embedded image encoder, untrained: 96 x 96 pixels, 12 x 12 patches, projected to MiniLM's 384."""
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=384,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        image_size=96,
        patch_size=8,
        hidden_act="gelu",
    )
    return CLIPVisionModelWithProjection(config)


def to_pixels(keyframes: np.ndarray | Tensor, size: int) -> Tensor:
    """uint8 (N, H, W, 3) to what CLIP reads: float (N, 3, size, size), squeezed to a square and normalised."""
    x = keyframes if isinstance(keyframes, Tensor) else torch.tensor(keyframes)
    x = x.movedim(-1, 1).float() / 255
    x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(v, device=x.device).view(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    return (x - mean) / std


def resized(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 (F, H, W, 3) to uint8 (F, height, width, 3); the same frames if they have that size."""
    if frames.shape[1:3] == (height, width):
        return frames
    x = torch.tensor(frames).movedim(-1, 1).float()
    x = F.interpolate(x, (height, width), mode="bilinear", antialias=True)
    return x.movedim(1, -1).round().clamp(0, 255).byte().numpy()


def patch_features(model: CLIPVisionModelWithProjection, pixels: Tensor) -> Tensor:
    """φ(I): last hidden states of the patches without the class token, (N, 3, S, S) -> (N, patches, d)."""
    hidden = model.vision_model(pixel_values=pixels).last_hidden_state[:, 1:]
    return model.vision_model.post_layernorm(hidden)
