"""Video files in and out, through ffmpeg: numpy frames, uint8 (F, H, W, 3), or one (H, W, 3) after the other.

Does not cover: the sound of clips (`storyboard.media.sound`), pictures (`storyboard.media.images`).
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain, repeat
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

__all__ = [
    "CODECS", "GUARDED", "MOST_BYTES", "RATE", "RAW_SOUND", "SoundTrack", "check_clip", "read_clip", "stream_clip",
    "write_gif", "write_video",
]  # fmt: skip

MOST_BYTES = 384 << 20  # of the frames that come out
STUCK_SECONDS = 120.0  # for one frame, or the end of a file
MOST_DAMAGED = 0.1  # share of the frames that may have been mended by the decoder
ENCODING_THREADS = "4"  # whatever the machine has: a file depends on it, and clips are known by their digest
RATE = 48_000  # samples a second of a film's sound
RAW_SOUND = ("-f", "f32le", "-ar", str(RATE), "-ac", "2")  # how it comes: left and right, -1 to 1
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


@dataclass(frozen=True)
class SoundTrack:
    """The sound of a film."""

    samples: Path  # in RAW_SOUND
    seconds: float  # how long it is to be: as long as the pictures
    filters: str = "anull"  # ffmpeg's, on the way into the file

    @property
    def options(self) -> tuple[str, ...]:
        """As ffmpeg's, after the pictures: AAC, which browsers and QuickTime play."""
        exact = f"aresample={RATE},apad,atrim=end_sample={round(self.seconds * RATE)}"
        return (*RAW_SOUND, "-i", f"file:{self.samples}", "-map", "0:v:0", "-map", "1:a:0",
                "-af", f"{self.filters},{exact}", "-c:a", "aac", "-b:a", "192k", "-ar", str(RATE))  # fmt: skip


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    frames_per_second: float,
    scale: int = 1,
    sound: SoundTrack | None = None,
) -> None:
    """An H.264 file that browsers play: yuv420p, BT.709, its index in front. `scale` enlarges the picture.

    frames: an array or anything that gives frame after frame, none of which is kept. sound changes none of them.
    Raises OSError if the file can't be written, ThroughlineError if there is no frame. Sides times scale must be even.
    """
    first, frames = _first(path, frames)
    height, width, _ = first.shape
    resize = (
        "format=gbrp,setparams=colorspace=gbr:color_primaries=bt709:color_trc=bt709:range=pc,"
        f"zscale=w={width * scale}:h={height * scale}:f=lanczos:m=bt709:r=limited,format=yuv420p,setparams={BT709}"
    )
    _encode(
        path, first, map(holdable, frames), frames_per_second, *(sound.options if sound else ()), "-vf", resize,
        "-c:v", "libx264", "-preset", "medium", "-crf", "16", "-threads:v", ENCODING_THREADS,
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
    most = most_bytes // frame_bytes
    wanted = filters.frames_wanted(header, frames_per_second)
    if wanted > most:
        raise ThroughlineError(
            f"clip {path.name!r} is too long: {wanted} frames of {width} x {height}, expected at most {most}"
        )
    command = _command(path, header, (width, height), frames_per_second, fit, most)
    found = ffmpeg.run(*command, most_bytes=(most + 1) * frame_bytes, pixels=header.pixels)
    count = len(found.output) // frame_bytes
    _check_whole(path, header, frames_per_second, count, found)
    frames = np.frombuffer(found.output, np.uint8, count * frame_bytes).reshape(count, height, width, 3)
    return frames[:wanted] if count >= wanted else np.concatenate([frames, np.repeat(frames[-1:], wanted - count, 0)])


def stream_clip(
    path: Path, height: int, width: int, frames_per_second: float, fit: Fit = FILL
) -> Generator[np.ndarray, None, None]:  # (H, W, 3)
    """The same frame after frame, of any length: the next is decoded when it is asked for, and none is kept. Raises as
    `read_clip` does; for damage, after the frames before it."""
    header, frame_bytes = read_header(path), height * width * 3
    wanted, count, last = filters.frames_wanted(header, frames_per_second), 0, None
    command = _command(path, header, (width, height), frames_per_second, fit, wanted)
    chunks = ffmpeg.stream(*command, chunk_bytes=frame_bytes, pixels=header.pixels)
    with closing(chunks):
        while True:
            try:
                chunk = next(chunks)
            except StopIteration as end:
                _check_whole(path, header, frames_per_second, count, end.value)
                break
            if len(chunk) == frame_bytes:
                count, last = count + 1, np.frombuffer(chunk, np.uint8).reshape(height, width, 3)
                if count <= wanted:
                    yield last
    assert last is not None, "a whole clip has a frame"
    yield from repeat(last, wanted - count)  # the last one may last longer than others


def _command(
    path: Path, header: Header, size: tuple[int, int], frames_per_second: float, fit: Fit, most: int
) -> tuple[str, ...]:
    return (
        "-v", "verbose", *LOCAL_ONLY, *GUARDED, *filters.decoder(header), "-f", header.demuxer, "-i", f"file:{path}",
        "-map", "0:V:0", "-vf", filters.chain(header, *size, frames_per_second, fit),
        "-frames:v", str(most + 1), "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
    )  # fmt: skip


def _check_whole(path: Path, header: Header, frames_per_second: float, count: int, end: ffmpeg.Finished) -> None:
    """Raises ThroughlineError for a clip that could not be decoded as it was meant, or not to its end."""
    name = repr(path.name)
    if "Cannot allocate memory" in end.messages or end.returncode < 0:
        size = f"{header.width} x {header.height}"
        raise ThroughlineError(f"clip {name} of {size} takes more memory than a clip may: make it smaller first")
    if end.returncode or not count or _damage(end.messages) > MOST_DAMAGED:
        raise ThroughlineError(f"clip {name} is damaged: {_why(end.messages)}")
    wanted = filters.frames_wanted(header, frames_per_second)
    seen = 1 + int((header.last + filters.margin(header, frames_per_second)) * frames_per_second)
    if count < ENDS_EARLY * min(seen, wanted) - 1:
        found = count / frames_per_second
        raise ThroughlineError(f"clip {name} is damaged: {found:.1f} of {header.seconds:.1f} s can be decoded")


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
