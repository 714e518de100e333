"""Small moving pictures for the page."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

WIDEST = 288  # pixels: a preview of a large model is made smaller


def moving(frames: np.ndarray, frames_per_second: float, quality: int = 60) -> str:
    """`moving_bytes` as a data URL."""
    return "data:image/webp;base64," + base64.b64encode(moving_bytes(frames, frames_per_second, quality)).decode()


def moving_bytes(frames: np.ndarray, frames_per_second: float, quality: int = 60) -> bytes:
    """An animated WebP of a clip, uint8 (F, H, W, 3): about 10 KB at 144 x 96."""
    first, *rest = [_fitted(frame) for frame in frames]
    file = io.BytesIO()
    duration = round(1000 / frames_per_second)
    first.save(file, "WEBP", save_all=True, append_images=rest, duration=duration, loop=0, quality=quality, method=0)
    return file.getvalue()


def _fitted(frame: np.ndarray) -> Image.Image:
    picture = Image.fromarray(frame)
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    return picture
