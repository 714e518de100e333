"""Pictures that may come from strangers: refused by their headers if they would take too much to decode.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.errors import ThroughlineError

MOST_PIXELS = 4096 * 4096
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)

warnings.simplefilter("error", Image.DecompressionBombWarning)


def read_picture(path: Path) -> np.ndarray:
    """A PNG, uint8 (H, W, 3). Raises ThroughlineError for what is none, is damaged, or is too large."""
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            _check_size(picture.size)
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, *BOMBS) as error:
        raise ThroughlineError(f"picture {path.name!r} can't be read: {error}") from None


def check_header(data: bytes, suffix: str) -> None:
    """Raises ThroughlineError for a PNG or WebP that says that it is too large. Decodes nothing: the usual decoder of
    WebP makes room for all pixels as soon as it is asked for the size."""
    try:
        size = _png_size(data) if suffix == "png" else _webp_size(data)
    except struct.error:  # too short: no decoder takes it
        return
    if size:
        _check_size(size)


def _png_size(data: bytes) -> tuple[int, int] | None:
    return struct.unpack_from(">II", data, 16) if data[12:16] == b"IHDR" else None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height (RFC 9649, section 2)."""
    kind = data[12:16]
    if kind == b"VP8X":  # 24 bits each, less one
        low, middle, high, *height = struct.unpack_from("<6B", data, 24)
        return low + (middle << 8) + (high << 16) + 1, height[0] + (height[1] << 8) + (height[2] << 16) + 1
    if kind == b"VP8L":  # 14 bits each, less one
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, tall = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, tall & 0x3FFF
    return None


def _check_size(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise ThroughlineError(f"a picture is {size[0]} x {size[1]}: expected at most {MOST_PIXELS} pixels")
