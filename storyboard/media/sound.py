"""The sound of a clip, beside its picture: decoded where it can do no harm, and written anew as AAC.

Sound is never judged: a clip whose sound can't be read is a silent clip.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg

from pipeline.errors import ThroughlineError

from . import ffmpeg
from .ffmpeg import GUARDED_SOUND, LOCAL_ONLY
from .header import read_header

RATE, CHANNELS = 48_000, 2
SAMPLE_BYTES = 2 * CHANNELS  # of 16 bits
FORMAT = ("-f", "s16le", "-ar", str(RATE), "-ac", str(CHANNELS))


def keep_sound(clip: Path, target: Path) -> bool:
    """Writes the sound of a clip, from its first frame to its last, to `target`, an .m4a; whether there is any.

    Raises ThroughlineError for what is no clip, OSError if the file can't be written.
    """
    samples = read_sound(clip)
    if not samples:
        return False
    program = (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *FORMAT, "-i", "-")
    exact = ("-fflags", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1")  # the same file each time
    options = ("-c:a", "aac", "-b:a", "160k", *exact, "-movflags", "+faststart", "-f", "mp4", f"file:{target}")
    patience, command = ffmpeg.PATIENCE_SECONDS, (*program, *options)
    try:
        result = subprocess.run(command, input=bytes(samples), capture_output=True, check=False, timeout=patience)
    except subprocess.TimeoutExpired:
        raise OSError(f"{target.name} could not be written in {patience} s") from None
    if result.returncode or not target.is_file():
        raise OSError(f"{target.name} could not be written")
    return True


def read_sound(clip: Path) -> bytearray:
    """16-bit samples, left and right, at RATE a second: as long as the picture, in time with it; empty if there are
    none. Raises ThroughlineError for what is no clip."""
    header = read_header(clip)
    if not header.sound:
        return bytearray()
    wanted = round(header.seconds * RATE)
    in_time = f"asetpts=PTS-{header.starts:.6f}/TB,aresample={RATE}:async=1:first_pts=0,apad,atrim=end_sample={wanted}"
    try:
        found = ffmpeg.run(
            "-v", "error", *LOCAL_ONLY, *GUARDED_SOUND, "-copyts", "-f", header.demuxer, "-i", f"file:{clip}",
            "-map", "0:a:0", "-af", in_time, *FORMAT, "-",
            most_bytes=wanted * SAMPLE_BYTES,
        )  # fmt: skip
    except ThroughlineError:  # it took too long
        return bytearray()
    return found.output if found.output.strip(b"\0") else bytearray()
