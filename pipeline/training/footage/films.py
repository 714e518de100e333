"""Video files as frames, and parts of video files as files of their own, through ffmpeg."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from ...errors import ThroughlineError

SUFFIXES = frozenset([".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"])
LOCAL_ONLY = ["-protocol_whitelist", "file"]  # a playlist can't make ffmpeg fetch what it names


class UnreadableError(ThroughlineError):
    """A video that ffmpeg cannot read, or that ends too early."""


def read_frames(path: Path, filters: str, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Frames uint8 (H, W, 3) after the ffmpeg filters, which must give `size`, (W, H). Raises UnreadableError."""
    reading = ["-v", "error", "-nostdin", "-xerror", *LOCAL_ONLY, "-i", f"file:{path}", "-vf", filters]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *reading, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    length, count = size[0] * size[1] * 3, 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            while len(data := process.stdout.read(length)) == length:
                count += 1
                yield np.frombuffer(data, np.uint8).reshape(size[1], size[0], 3)
            message = process.stderr.read().decode(errors="replace").strip()
            if process.wait() or not count:
                raise UnreadableError(f"{path} cannot be read: {message.splitlines()[-1] if message else 'no frames'}")
        finally:
            process.kill()


def fitted(width: int, height: int) -> str:
    """The filter that fills width x height, cutting off what juts out."""
    return f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=area,crop={width}:{height},setsar=1"


def read_clip(path: Path, frames: int, frames_per_second: float, height: int, width: int) -> np.ndarray:
    """The first `frames` frames at that rate and size, uint8 (F, H, W, 3). Raises UnreadableError if there are fewer:
    a clip is never filled up."""
    rate = f"fps={frames_per_second}"
    found = []
    for frame in read_frames(path, f"{rate},{fitted(width, height)}", (width, height)):
        found.append(frame)
        if len(found) == frames:
            return np.stack(found)
    raise UnreadableError(
        f"{path} has {len(found)} frames at {frames_per_second:g} a second: expected at least {frames}"
    )


def cut_out(path: Path, start: int, end: int, frames_per_second: float, out: Path) -> None:
    """Writes frames start to end - 1 of a video to `out`, which is there whole or not at all. Raises
    UnreadableError."""
    temporary = out.with_name(f".{out.stem}.{os.getpid()}.mp4")
    begin = max(0.0, (start - 0.5) / frames_per_second)  # between two frames, so that rounding moves none
    reading = ["-v", "error", "-nostdin", "-y", *LOCAL_ONLY, "-ss", f"{begin:.6f}", "-i", f"file:{path}"]
    writing = ["-frames:v", str(end - start), "-an", "-c:v", "libx264", "-crf", "14", "-pix_fmt", "yuv420p"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *reading, *writing, f"file:{temporary}"]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        temporary.unlink(missing_ok=True)
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise UnreadableError(f"{path} cannot be cut: {lines[-1] if lines else 'ffmpeg failed'}")
    os.replace(temporary, out)
