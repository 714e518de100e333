"""Video files in and out, through ffmpeg: numpy frames, uint8 (F, H, W, 3), or one (H, W, 3) after the other.

Does not cover: sound.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from pipeline.errors import ThroughlineError

from . import sandbox

CONFINED = Path(sandbox.__file__)
ENDS_EARLY = 0.9  # share of the length in the header below which a clip counts as truncated

# What strangers may send. The first bytes of a file choose what it is read as: ffmpeg is never asked to guess, which
# it would do with playlists too, that name other files and addresses.
DEMUXERS = (
    ("mov", re.compile(rb"....(ftyp|moov|mdat|wide|free|skip)", re.DOTALL)),
    ("matroska", re.compile(rb"\x1aE\xdf\xa3")),
    ("avi", re.compile(rb"RIFF....AVI ", re.DOTALL)), ("gif", re.compile(rb"GIF8[79]a")),
)  # fmt: skip
CODECS = "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,libaom-av1,mpeg4,mpeg2video,mpeg1video,mjpeg,gif,prores,h263"
MOST_PIXELS = 4096 * 2304  # of a frame
MOST_ASPECT = 20
MOST_SECONDS = 900.0
MOST_FRAME_RATE = 1000.0
MOST_BYTES = 384 << 20  # of the frames that come out
MEMORY_BYTES = 400 << 20  # of ffmpeg
PATIENCE_SECONDS = 60  # of ffmpeg
LOCAL_ONLY = ("-protocol_whitelist", "file")
GUARDED = ("-threads", "1", "-codec_whitelist", CODECS, "-max_pixels", str(MOST_PIXELS), "-max_streams", "16")


def write_video(path: Path, frames: Iterable[np.ndarray], frames_per_second: float, scale: int = 1) -> None:
    """An H.264 file that browsers play: yuv420p, BT.709, its index in front. `scale` enlarges the picture.

    frames: an array or anything that gives frame after frame, none of which is kept.
    Raises OSError if the file can't be written, ThroughlineError if there is no frame. Sides times scale must be even.
    """
    first, frames = _first(path, frames)
    height, width, _ = first.shape
    resize = f"scale={width * scale}:{height * scale}:flags=lanczos:out_color_matrix=bt709:out_range=tv"
    colours = [part for name in ("colorspace", "color_primaries", "color_trc") for part in (f"-{name}", "bt709")]
    _encode(
        path, first, frames, frames_per_second, "-vf", resize,
        "-c:v", "libx264", "-preset", "medium", "-crf", "16", "-pix_fmt", "yuv420p", *colours,
        "-movflags", "+faststart", "-f", "mp4",
    )  # fmt: skip


def write_gif(path: Path, frames: Callable[[], Iterable[np.ndarray]], frames_per_second: float) -> None:
    """A GIF that plays for ever, with 256 colours chosen over all of it. The frames are gone through twice.

    Raises as `write_video` does.
    """
    with tempfile.TemporaryDirectory(prefix="throughline-") as folder:
        palette = Path(folder, "palette.png")
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
        with pipe as program:
            _feed(program, frames, first.shape)
        messages.seek(0)
        if program.returncode or not path.is_file():
            raise OSError(f"{path} could not be written: {_why(messages.read())}")


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
    _header(path)


def read_clip(
    path: Path, height: int, width: int, frames_per_second: float, most_bytes: int = MOST_BYTES
) -> np.ndarray:
    """A clip at another size and rate: cut to the shape, never stretched; it lasts as long as it did.

    Raises ThroughlineError for a file that is missing, empty, not a video, truncated, or more than the limits above
    allow: of the frames, no more than `most_bytes` are read.
    """
    demuxer, seconds = _header(path)
    most = most_bytes // (height * width * 3)
    fit = f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=area,crop={width}:{height}"
    result = _ffmpeg(
        "-v", "error", *LOCAL_ONLY, *GUARDED, "-f", demuxer, "-i", f"file:{path}", "-map", "0:V:0", "-an",
        "-vf", f"fps={frames_per_second:g}:round=up,{fit},setsar=1", "-frames:v", str(most + 1),
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
    )  # fmt: skip
    frames = np.frombuffer(result.stdout, np.uint8)
    frames = frames[: len(frames) // (height * width * 3) * height * width * 3].reshape(-1, height, width, 3)
    if len(frames) > most:
        raise ThroughlineError(f"clip {str(path)!r} is too long: at {width} x {height} expected at most {most} frames")
    if result.returncode or result.stderr.strip() or not len(frames):
        raise ThroughlineError(f"clip {str(path)!r} is truncated or damaged: {_why(result.stderr)}")
    if len(frames) / frames_per_second < ENDS_EARLY * seconds - 1 / frames_per_second:
        found = len(frames) / frames_per_second
        raise ThroughlineError(f"clip {str(path)!r} is truncated: it ends after {found:.1f} of {seconds:.1f} s")
    return frames.copy()


def _header(path: Path) -> tuple[str, float]:
    """What a clip is to be read as, and how many seconds it says that it lasts, 0 if it does not say."""
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise ThroughlineError(f"clip {str(path)!r} {problem}: expected a video file")
    with path.open("rb") as file:
        beginning = file.read(64)
    if not beginning:
        raise ThroughlineError(f"clip {str(path)!r} is empty: expected a video file")
    demuxer = next((name for name, begins in DEMUXERS if begins.match(beginning)), None)
    if demuxer is None:
        raise ThroughlineError(f"clip {str(path)!r} is not a video that can be read: expected MP4, MOV, WebM, MKV, AVI")
    text = _ffmpeg(*LOCAL_ONLY, *GUARDED, "-f", demuxer, "-i", f"file:{path}").stderr.decode(errors="replace")
    if "moov atom not found" in text:
        raise ThroughlineError(f"clip {str(path)!r} is truncated: its index is missing")
    video = re.search(r"Stream #0.*?: Video: (.*)", text)
    if video is None:
        raise ThroughlineError(f"clip {str(path)!r} is not a video that can be read")
    seconds = _duration(text)
    _check_amounts(path, video[1], seconds)
    return demuxer, seconds


def _check_amounts(path: Path, stream: str, seconds: float) -> None:
    """Raises ThroughlineError for a clip that would take too much to decode. stream: what ffmpeg says about it."""
    size, rate = re.search(r"\b([1-9]\d*)x(\d+)\b", stream), re.search(r"([\d.]+)(k?) (?:fps|tbr)", stream)
    if size is None or int(size[1]) * int(size[2]) > MOST_PIXELS:
        found = f"{size[1]} x {size[2]}" if size else "without a size"
        raise ThroughlineError(f"clip {str(path)!r} is {found}: expected at most {MOST_PIXELS} pixels a frame")
    sides = sorted((int(size[1]), int(size[2])))
    if sides[1] > MOST_ASPECT * sides[0]:  # cut to a film's shape it would first be enlarged to millions of pixels
        raise ThroughlineError(f"clip {str(path)!r} is {size[1]} x {size[2]}: expected at most {MOST_ASPECT} : 1")
    if seconds > MOST_SECONDS:
        raise ThroughlineError(f"clip {str(path)!r} lasts {seconds:.0f} s: expected at most {MOST_SECONDS:.0f}")
    if rate and float(rate[1]) * (1000 if rate[2] else 1) > MOST_FRAME_RATE:
        most = f"expected at most {MOST_FRAME_RATE:.0f}"
        raise ThroughlineError(f"clip {str(path)!r} has {rate[1]}{rate[2]} frames a second: {most}")


def _duration(header: str) -> float:
    found = re.search(r"Duration: (\d+):(\d+):([\d.]+)", header)
    return sum(float(part) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0.0


def _ffmpeg(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A confined ffmpeg, which sees nothing of this program's environment."""
    limits = (str(MEMORY_BYTES), str(PATIENCE_SECONDS))
    command: Sequence[str] = (
        sys.executable, "-I", "-S", str(CONFINED), *limits,
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-filter_threads", "1", *arguments,
    )  # fmt: skip
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PATIENCE_SECONDS,
            env={"MALLOC_ARENA_MAX": "1"},  # each arena of the C library reserves 64 MB
        )
    except subprocess.TimeoutExpired:
        raise ThroughlineError(f"a clip took more than {PATIENCE_SECONDS} s to read: it was given up") from None


def _why(stderr: bytes) -> str:
    """The line of ffmpeg's messages that says most."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "No space left" in line or "Permission denied" in line]
    return re.sub(r"^\[[^]]*\] *", "", (telling or lines or ["no frames"])[0])
