"""Pictures as image encoders of CLIP's kind are published to see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil


def pixels_for(encoder: Any, pictures: Sequence[np.ndarray]) -> Tensor:
    """Pictures, uint8 (H, W, 3), cut and scaled to the square that an encoder takes, (r, 3, side, side), where it is
    and in its precision."""
    side = encoder.config.image_size
    processor = CLIPImageProcessorPil(size=side, crop_size=side)
    pixels: Tensor = processor([Image.fromarray(one) for one in pictures], return_tensors="pt").pixel_values
    return pixels.to(encoder.device, encoder.dtype)
