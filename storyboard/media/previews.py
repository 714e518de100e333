"""Small moving pictures for the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

MARK, MARK_EDGE, PALE = (226, 150, 20), (40, 30, 10), (225, 220, 210)
STILL = 760  # pixels: as wide as a picture is shown that somebody points at
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
    pictures = [_enlarged(frame, 2) for frame in frames]
    for picture, box in zip(pictures, boxes, strict=True):
        _mark(picture, box, MARK)
    return np.stack([np.asarray(picture) for picture in pictures])


def still(frame: np.ndarray, boxes: Sequence[Sequence[float]], chosen: Sequence[Sequence[float]]) -> tuple[str, int]:
    """A picture, uint8 (H, W, 3), at least STILL wide, with pale frames around some boxes and bright ones around those
    that are chosen, as a data URL; and how many times as large it is."""
    times = -(-STILL // frame.shape[1])
    picture, file = _enlarged(frame, times), io.BytesIO()
    for box, colour in [*((box, PALE) for box in boxes), *((box, MARK) for box in chosen)]:
        _mark(picture, box, colour, width=2)
    picture.save(file, "WEBP", quality=90)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode(), times


def _enlarged(frame: np.ndarray, times: int) -> Image.Image:
    picture = Image.fromarray(frame)
    return picture.resize((times * picture.width, times * picture.height), Image.Resampling.LANCZOS)


def _mark(picture: Image.Image, box: Sequence[float], colour: tuple[int, int, int], width: int = 1) -> None:
    draw, (left, top, right, bottom) = ImageDraw.Draw(picture), box
    corners = left * picture.width, top * picture.height, right * picture.width, bottom * picture.height
    for grown, line in ((width, MARK_EDGE), (0, colour), (-width, colour)):
        draw.rectangle(_around(corners, grown), outline=line, width=width)


def _around(corners: tuple[float, float, float, float], grown: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = corners
    return left - grown, top - grown, max(right + grown, left - grown), max(bottom + grown, top - grown)


def _fitted(frame: np.ndarray) -> Image.Image:
    picture = Image.fromarray(frame)
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    return picture
