"""Video files in and out, through ffmpeg: numpy frames, uint8 (F, H, W, 3), or one (H, W, 3) after the other.

Does not cover: sound.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from pipeline.errors import ThroughlineError

PICTURES = re.compile(r"Input #0, (\w+_pipe|image2)\b")  # formats that ffmpeg reads as videos of one frame
LOCAL_ONLY = ("-protocol_whitelist", "file")  # a playlist can't make ffmpeg fetch what it names
ENDS_EARLY = 0.9  # share of the length in the header below which a clip counts as truncated


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


def read_clip(path: Path, height: int, width: int, frames_per_second: float) -> np.ndarray:
    """A clip at another size and rate: cut to the shape, never stretched; it lasts as long as it did.

    Raises ThroughlineError for a file that is missing, empty, not a video, or truncated.
    """
    seconds = _header(path)
    fit = f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=area,crop={width}:{height}"
    result = _ffmpeg(
        "-v", "error", *LOCAL_ONLY, "-i", f"file:{path}", "-map", "0:V:0", "-an", "-vf",
        f"fps={frames_per_second:g}:round=up,{fit},setsar=1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
    )  # fmt: skip
    frames = np.frombuffer(result.stdout, np.uint8)
    frames = frames[: len(frames) // (height * width * 3) * height * width * 3].reshape(-1, height, width, 3).copy()
    if result.returncode or result.stderr.strip() or not len(frames):
        raise ThroughlineError(f"clip {str(path)!r} is truncated or damaged: {_why(result.stderr)}")
    if len(frames) / frames_per_second < ENDS_EARLY * seconds - 1 / frames_per_second:
        found = len(frames) / frames_per_second
        raise ThroughlineError(f"clip {str(path)!r} is truncated: it ends after {found:.1f} of {seconds:.1f} s")
    return frames


def _header(path: Path) -> float:
    """Seconds that the clip says it lasts, 0 if it does not say."""
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise ThroughlineError(f"clip {str(path)!r} {problem}: expected a video file")
    if not path.stat().st_size:
        raise ThroughlineError(f"clip {str(path)!r} is empty: expected a video file")
    text = _ffmpeg(*LOCAL_ONLY, "-i", f"file:{path}").stderr.decode(errors="replace")
    if "moov atom not found" in text and _starts_as_mp4(path):
        raise ThroughlineError(f"clip {str(path)!r} is truncated: its index is missing")
    if "Input #0" not in text or ": Video: " not in text or PICTURES.search(text):
        raise ThroughlineError(f"clip {str(path)!r} is not a video that can be read")
    return _duration(text)


def _starts_as_mp4(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] == b"ftyp"


def _duration(header: str) -> float:
    found = re.search(r"Duration: (\d+):(\d+):([\d.]+)", header)
    return sum(float(part) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0.0


def _ffmpeg(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command: Sequence[str] = (imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", *arguments)
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _why(stderr: bytes) -> str:
    """The line of ffmpeg's messages that says most."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "No space left" in line or "Permission denied" in line]
    return re.sub(r"^\[[^]]*\] *", "", (telling or lines or ["no frames"])[0])
