"""Video files in and out, through ffmpeg: numpy frames, uint8 (F, H, W, 3), or one (H, W, 3) after the other.

Does not cover: sound (`storyboard.media.sound`), pictures (`storyboard.media.images`).
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from pipeline.errors import ThroughlineError

from . import ffmpeg, filters
from .colour import holdable
from .ffmpeg import CODECS, GUARDED, LOCAL_ONLY
from .fit import FILL, Fit
from .header import ENDS_EARLY, Header, read_header
from .temporary import temporary_folder

__all__ = ["CODECS", "GUARDED", "MOST_BYTES", "check_clip", "read_clip", "write_gif", "write_video"]

MOST_BYTES = 384 << 20  # of the frames that come out
STUCK_SECONDS = 120.0  # for one frame, or the end of a file
MOST_DAMAGED = 0.1  # share of the frames that may have been mended by the decoder
BT709 = "colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"


class Watch:
    """Ends a program that takes no frame, or does not end after the last one, for so many seconds: a disk that hangs
    would hold the caller's thread for good. However long the frames themselves are on their way."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self._program, self._since, self._over = program, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()

    def each(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for frame in frames:
            self._since = time.monotonic()
            yield frame
            self._since = 0.0
        self._since = time.monotonic()

    def _look(self) -> None:
        while not self._over.wait(min(1.0, STUCK_SECONDS / 4)):
            if self._since and time.monotonic() - self._since > STUCK_SECONDS:
                self._program.kill()


def write_video(path: Path, frames: Iterable[np.ndarray], frames_per_second: float, scale: int = 1) -> None:
    """An H.264 file that browsers play: yuv420p, BT.709, its index in front. `scale` enlarges the picture.

    frames: an array or anything that gives frame after frame, none of which is kept.
    Raises OSError if the file can't be written, ThroughlineError if there is no frame. Sides times scale must be even.
    """
    first, frames = _first(path, frames)
    height, width, _ = first.shape
    resize = (
        "format=gbrp,setparams=colorspace=gbr:color_primaries=bt709:color_trc=bt709:range=pc,"
        f"zscale=w={width * scale}:h={height * scale}:f=lanczos:m=bt709:r=limited,format=yuv420p,setparams={BT709}"
    )
    _encode(
        path, first, map(holdable, frames), frames_per_second, "-vf", resize,
        "-c:v", "libx264", "-preset", "medium", "-crf", "16",
        "-movflags", "+faststart+write_colr", "-f", "mp4",
    )  # fmt: skip


def write_gif(path: Path, frames: Callable[[], Iterable[np.ndarray]], frames_per_second: float) -> None:
    """A GIF that plays for ever, with 256 colours chosen over all of it. The frames are gone through twice.

    Raises as `write_video` does.
    """
    with temporary_folder() as folder:
        palette = folder / "palette.png"
        _encode(
            palette, *_first(path, frames()), frames_per_second, "-vf", "palettegen", "-update", "1", "-f", "image2"
        )
        _encode(
            path, *_first(path, frames()), frames_per_second, "-i", f"file:{palette}",
            "-lavfi", "paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle", "-loop", "0", "-f", "gif",
        )  # fmt: skip


def _first(path: Path, frames: Iterable[np.ndarray]) -> tuple[np.ndarray, Iterable[np.ndarray]]:
    """The first frame, and all of them."""
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise ThroughlineError(f"film {path.name!r} has no frames: expected at least one")
    return first, chain([first], rest)


def _encode(
    path: Path, first: np.ndarray, frames: Iterable[np.ndarray], frames_per_second: float, *arguments: str
) -> None:
    """Sends frames of the first one's shape through ffmpeg. Raises OSError if the file can't be written."""
    height, width, _ = first.shape
    command = (
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24",
        "-s", f"{width}x{height}", "-r", f"{frames_per_second:g}", "-i", "-", *arguments, f"file:{path}",
    )  # fmt: skip
    with tempfile.TemporaryFile() as messages:  # a pipe that nobody empties would stop ffmpeg
        pipe = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=messages)
        with pipe as program, Watch(program) as watch:
            _feed(program, watch.each(frames), first.shape)
            program.wait()
        messages.seek(0)
        if program.returncode or not path.is_file():
            why = _why(messages.read().decode(errors="replace"))
            raise OSError(f"{path.name} could not be written: {why}")


def _feed(program: subprocess.Popen[bytes], frames: Iterable[np.ndarray], shape: tuple[int, ...]) -> None:
    assert program.stdin is not None, "frames go in through a pipe"
    try:
        for frame in frames:
            assert frame.shape == shape, f"a frame is {frame.shape}, the first one {shape}"
            program.stdin.write(np.ascontiguousarray(frame).data)
        program.stdin.close()
    except BrokenPipeError:
        pass  # ffmpeg has given up, and its messages say why
    except BaseException:
        program.kill()  # half a film must not pass for a whole one
        raise
    finally:
        with suppress(BrokenPipeError):
            program.stdin.close()


def check_clip(path: Path) -> None:
    """Raises ThroughlineError for what can't be a clip, after a look at its header only."""
    read_header(path)


def read_clip(
    path: Path, height: int, width: int, frames_per_second: float, most_bytes: int = MOST_BYTES, fit: Fit = FILL
) -> np.ndarray:
    """A clip at another size and rate, upright, in BT.709 and without transparency; it lasts as long as it did.

    Raises ThroughlineError for a file that is missing, empty, not a video, in a codec that is not read, truncated,
    damaged, or more than the limits allow: of the frames, no more than `most_bytes` are read.
    """
    header, frame_bytes = read_header(path), height * width * 3
    name, most = repr(path.name), most_bytes // frame_bytes
    wanted = filters.frames_wanted(header, frames_per_second)
    if wanted > most:
        raise ThroughlineError(
            f"clip {name} is too long: {wanted} frames of {width} x {height}, expected at most {most}"
        )
    frames = _decoded(path, header, height, width, frames_per_second, fit, most)
    seen = 1 + int((header.last + filters.margin(header, frames_per_second)) * frames_per_second)
    if len(frames) < ENDS_EARLY * min(seen, wanted) - 1:
        found = len(frames) / frames_per_second
        raise ThroughlineError(f"clip {name} is damaged: {found:.1f} of {header.seconds:.1f} s can be decoded")
    return frames[:wanted] if len(frames) >= wanted else np.concatenate([frames, _held(frames, wanted)])


def _held(frames: np.ndarray, wanted: int) -> np.ndarray:
    """The last frame, as often as it takes: it may last longer than others."""
    return np.repeat(frames[-1:], wanted - len(frames), axis=0)


def _decoded(
    path: Path, header: Header, height: int, width: int, frames_per_second: float, fit: Fit, most: int
) -> np.ndarray:
    name, frame_bytes = repr(path.name), height * width * 3
    result = ffmpeg.run(
        "-v", "verbose", *LOCAL_ONLY, *GUARDED, *filters.decoder(header), "-f", header.demuxer, "-i", f"file:{path}",
        "-map", "0:V:0", "-vf", filters.chain(header, width, height, frames_per_second, fit),
        "-frames:v", str(most + 1), "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
        most_bytes=(most + 1) * frame_bytes, pixels=header.pixels,
    )  # fmt: skip
    count = len(result.output) // frame_bytes
    if "Cannot allocate memory" in result.messages or result.returncode < 0:
        size = f"{header.width} x {header.height}"
        raise ThroughlineError(f"clip {name} of {size} takes more memory than a clip may: make it smaller first")
    if result.returncode or not count or _damage(result.messages) > MOST_DAMAGED:
        raise ThroughlineError(f"clip {name} is damaged: {_why(result.messages)}")
    return np.frombuffer(result.output, np.uint8, count * frame_bytes).reshape(count, height, width, 3)


def _damage(messages: str) -> float:
    """The share of the frames that the decoder could not decode as they were meant."""
    read = re.search(r"Input stream #\S+ \(video\): (\d+) packets read", messages)
    failed = re.search(r"frames decoded; (\d+) decode errors", messages)
    mended = len(re.findall(r"concealing \d+ DC", messages))
    return ((int(failed[1]) if failed else 0) + mended) / max(1, int(read[1]) if read else 1)


TELLING = re.compile(r"No space left|Permission denied")
TROUBLE = re.compile(r"error|invalid|corrupt|fail|missing|damaged|truncat|concealing", re.IGNORECASE)


def _why(messages: str) -> str:
    """The line of ffmpeg's messages that says most."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    found = [line for line in lines if TELLING.search(line)] or [line for line in lines if TROUBLE.search(line)]
    return re.sub(r"^(\[[^]]*\] *)+", "", (found or ["no frames"])[0])[:200]
