"""Pictures that may come from strangers: our own PNGs again, refused by their headers if they would take too much to
decode, and what users bring (PNG, JPEG, WebP, AVIF), decoded in a confined process.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import re
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.errors import ThroughlineError

from . import picture_reader
from .ffmpeg import run_confined
from .fit import FIT, Fit

MOST_PIXELS = 4096 * 4096
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)

READER_BYTES = 800 << 20  # of memory for the process that decodes a picture
READER = "import sys; sys.path.insert(0, sys.argv.pop(1)); from storyboard.media.picture_reader import main; " \
         "main(*sys.argv[1:])"  # fmt: skip
ROOT = Path(__file__).parents[2]
BEGINNINGS = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP|....ftyp(?:avif|avis)|(?P<heic>....ftyp(?:hei[cx]|hev[cx]|mif1|msf1))",
    re.DOTALL,
)

warnings.simplefilter("error", Image.DecompressionBombWarning)


def read_picture(path: Path) -> np.ndarray:
    """A PNG, uint8 (H, W, 3). Raises ThroughlineError for what is none, is damaged, or is too large."""
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            _check_size(picture.size)
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, *BOMBS) as error:
        raise ThroughlineError(f"picture {path.name!r} can't be read: {error}") from None


def is_picture(path: Path) -> bool:
    """Whether a file begins as a picture does; a GIF counts as a clip. Raises ThroughlineError for a HEIC."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        found = BEGINNINGS.match(file.read(16))
    if found and found["heic"]:
        raise ThroughlineError(f"picture {path.name!r} is a HEIC, which is not read: expected PNG, JPEG, WebP or AVIF")
    return found is not None


def read_still(path: Path, height: int, width: int, fit: Fit = FIT) -> np.ndarray:
    """A user's picture as a frame, uint8 (H, W, 3); the first one of several. Raises as `read_frames` does."""
    picture: np.ndarray = read_frames(path, height, width, 1.0, 1, fit)[0]
    return picture


def read_frames(
    path: Path, height: int, width: int, frames_per_second: float, still_frames: int, fit: Fit = FIT, most: int = 0
) -> np.ndarray:
    """A user's picture, uint8 (F, H, W, 3): `still_frames` times the same one, or what an animated one shows, up to
    `most` frames. Raises ThroughlineError for what can't be read, is too large or too long, or is damaged."""
    arguments = (*map(str, (path.absolute(), width, height, fit.mode, fit.across, fit.down)), f"{frames_per_second!r}")
    frame_bytes, most = height * width * 3, max(most, still_frames)
    result = run_confined(
        (sys.executable, "-I", "-c", READER, str(ROOT), *arguments, str(most)),
        READER_BYTES,
        (most + 2) * (frame_bytes + 4),
    )
    if result.returncode or len(result.output) < frame_bytes:
        raise ThroughlineError(f"picture {path.name!r} {_problem(result.returncode, result.messages)}")
    records = np.frombuffer(result.output, np.uint8).reshape(-1, frame_bytes + 4)
    counts = records[:, :4].copy().view("<u4")[:, 0]
    if counts.sum() > most:
        raise ThroughlineError(f"picture {path.name!r} is too long: expected at most {most} frames")
    pictures = records[:, 4:].reshape(-1, height, width, 3)
    return pictures.repeat(np.where(counts == 0, still_frames, counts), axis=0)


def _problem(code: int, said: str) -> str:
    lines = said.strip().splitlines()
    if code in (picture_reader.UNKNOWN, picture_reader.TOO_LARGE, picture_reader.DAMAGED) and lines:
        return lines[-1][:200]
    return "takes more memory than a picture may, or is damaged"


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
