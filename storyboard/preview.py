"""Small moving and still pictures for the page, as data URLs."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

WIDEST = 288  # pixels: a preview of a large model is made smaller


def moving(frames: np.ndarray, frames_per_second: float, quality: int = 60) -> str:
    """An animated WebP of a clip, uint8 (F, H, W, 3): about 10 KB at 144 x 96."""
    pictures = [_fitted(frame) for frame in frames]
    return _url(pictures, save_all=True, append_images=pictures[1:], duration=round(1000 / frames_per_second), loop=0,
                quality=quality, method=0)  # fmt: skip


def still(frame: np.ndarray) -> str:
    """A WebP of one frame, uint8 (H, W, 3)."""
    return _url([_fitted(frame)], quality=90, method=4)


def _fitted(frame: np.ndarray) -> Image.Image:
    picture = Image.fromarray(frame)
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    return picture


def _url(pictures: list[Image.Image], **options: object) -> str:
    file = io.BytesIO()
    pictures[0].save(file, "WEBP", **options)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
