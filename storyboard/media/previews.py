"""Small moving pictures for the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

MARK, MARK_EDGE = (226, 150, 20), (40, 30, 10)
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


def with_boxes(frames: np.ndarray, boxes: Sequence[Sequence[float]]) -> np.ndarray:
    """A clip, uint8 (F, H, W, 3), twice as large, with a frame drawn around a box in each picture; boxes: left, top,
    right, bottom as shares of the picture, one a frame."""
    marked = list[np.ndarray]()
    for frame, (left, top, right, bottom) in zip(frames, boxes, strict=True):
        picture = Image.fromarray(frame)
        picture = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.LANCZOS)
        corners = left * picture.width, top * picture.height, right * picture.width, bottom * picture.height
        draw = ImageDraw.Draw(picture)
        for grown, colour in ((1, MARK_EDGE), (0, MARK), (-1, MARK)):
            draw.rectangle(_around(corners, grown), outline=colour)
        marked.append(np.asarray(picture))
    return np.stack(marked)


def _around(corners: tuple[float, float, float, float], grown: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = corners
    return left - grown, top - grown, max(right + grown, left - grown), max(bottom + grown, top - grown)


def _fitted(frame: np.ndarray) -> Image.Image:
    picture = Image.fromarray(frame)
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    return picture
