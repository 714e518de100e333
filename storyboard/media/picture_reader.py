"""Decodes a picture from a stranger, in a process of its own: `storyboard.media.images` starts it, confined.

It writes frames, each as how often it is shown (4 bytes; 0 for a still) and its pixels. Pictures are turned upright,
brought to sRGB and laid over black. What can't be read is said in a line, and by exit code.
"""

from __future__ import annotations

import io
import struct
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from PIL import (
    AvifImagePlugin,
    Image,
    ImageCms,
    ImageOps,
    ImageSequence,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from .fit import Fit

READERS = (PngImagePlugin, JpegImagePlugin, WebPImagePlugin, AvifImagePlugin)  # loaded beforehand
FORMATS = ["PNG", "JPEG", "WEBP", "AVIF"]
ANIMATED = ("PNG", "WEBP", "AVIF")
MOST_PIXELS = 8192 * 8192
UNKNOWN, TOO_LARGE, DAMAGED = 3, 4, 5  # exit codes
SHORTEST, USUAL = 11, 100  # milliseconds: what is faster than the shortest is shown at the usual rate, as browsers do
LATE = 0.011  # seconds that a frame may come late and still be there in time: times are rounded to whole milliseconds


def write_frames(path: Path, size: tuple[int, int], fit: Fit, rate: float, most: int) -> None:
    """Writes the frames of a picture to stdout. size: width and height."""
    with Image.open(path, formats=FORMATS) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            _stop(TOO_LARGE, f"is {picture.width} x {picture.height}: expected at most {MOST_PIXELS} pixels")
        picture.draft("RGB", (size[0] * 2, size[1] * 2))  # a JPEG may be decoded at half its size, or less
        moves = picture.format in ANIMATED and getattr(picture, "n_frames", 1) > 1
        for frame, count in _timed(picture, rate, most) if moves else [(picture, 0)]:
            fitted = _fitted(_over_black(_upright(frame)), size, fit)
            sys.stdout.buffer.write(count.to_bytes(4, "little") + fitted.tobytes())


def _timed(picture: Image.Image, rate: float, most: int) -> Iterator[tuple[Image.Image, int]]:
    """The frames that are on the screen at a multiple of 1 / rate, and at how many of them; more than `most` at most by
    one frame."""
    seconds, shown, late = 0.0, 0, min(LATE, 0.45 / rate)
    for frame in ImageSequence.Iterator(picture):
        frame.load()  # some formats know how long a frame lasts only then
        lasts = float(frame.info.get("duration", USUAL))
        seconds += (lasts if lasts >= SHORTEST else USUAL) / 1000
        until = max(shown, -int(-(seconds - late) * rate // 1))
        if until > shown:
            yield frame, min(until - shown, most + 1)
        shown = until
        if shown > most:
            return


def _upright(picture: Image.Image) -> Image.Image:
    """As the camera was held, in sRGB. A profile that makes no sense is left out."""
    turned = ImageOps.exif_transpose(picture)
    if turned.mode.startswith("I"):  # 16 bits of grey
        turned = turned.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    profile = picture.info.get("icc_profile")
    if profile and turned.mode in ("RGB", "RGBA", "CMYK", "L"):
        to = turned.mode if turned.mode in ("RGB", "RGBA") else "RGB"
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            found = ImageCms.profileToProfile(turned, source, ImageCms.createProfile("sRGB"), outputMode=to)
            return found or turned
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return turned


def _over_black(picture: Image.Image) -> Image.Image:
    if picture.has_transparency_data:
        seen = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", seen.size, (0, 0, 0, 255)), seen)
    return picture.convert("RGB")


def _fitted(picture: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    width, height = size
    found = picture.resize(fit.size(picture.width / picture.height, width, height), Image.Resampling.LANCZOS)
    if fit.mode == "fill":
        left, top = int((found.width - width) * fit.across), int((found.height - height) * fit.down)
        return found.crop((left, top, left + width, top + height))
    ground = Image.new("RGB", size)
    ground.paste(found, ((width - found.width) // 2, (height - found.height) // 2))
    return ground


def _stop(code: int, problem: str) -> NoReturn:
    print(problem, file=sys.stderr)
    sys.exit(code)


def main(path: str, width: str, height: str, mode: str, across: str, down: str, rate: str, most: str) -> None:
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # there is a check of our own, before anything is decoded
    fit = Fit(mode, float(across), float(down))  # type: ignore[arg-type]
    try:
        write_frames(Path(path), (int(width), int(height)), fit, float(rate), int(most))
    except UnidentifiedImageError:
        _stop(UNKNOWN, "is not a picture that can be read")
    except MemoryError:
        _stop(TOO_LARGE, "takes more memory than a picture may")
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error) as error:
        _stop(DAMAGED, f"is damaged: {error}")
