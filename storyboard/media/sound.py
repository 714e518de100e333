"""Sound: that of clips beside their pictures, and what users bring for a film. It is decoded where it can do no harm,
and written anew as AAC.

The sound of a clip is never judged: a clip whose sound can't be read is a silent clip. A file that is brought as sound
has some, or is refused.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from pipeline.errors import ThroughlineError

from . import ffmpeg
from .ffmpeg import GUARDED_SOUND, LOCAL_ONLY, SOUND_DEMUXERS
from .header import MOST_SECONDS, read_header
from .temporary import temporary_folder
from .video import RATE

CHANNELS = 2
SAMPLE_BYTES = 2 * CHANNELS  # of 16 bits
CHUNK_BYTES = 1 << 20
SPEAKER = re.compile(r"^(\[[^]]*\] *)+")  # what part of ffmpeg says a line
SLOWEST, FASTEST = 0.5, 2.0  # of one "atempo"
FORMAT = ("-f", "s16le", "-ar", str(RATE), "-ac", str(CHANNELS))


@dataclass(frozen=True)
class Excerpt:
    """A part of a sound, and how fast it is played; its pitch stays."""

    skip: float = 0.0  # seconds left out at the beginning
    seconds: float = MOST_SECONDS  # of the sound, at most
    speed: float = 1.0

    @property
    def filters(self) -> str:
        """As ffmpeg's filters."""
        cut = f"atrim=start={self.skip:.6f}:duration={self.seconds:.6f},asetpts=PTS-STARTPTS"
        return ",".join([f"aresample={RATE}", cut, *(f"atempo={tempo:.6f}" for tempo in _tempos(self.speed))])


def keep_sound(clip: Path, target: Path) -> bool:
    """Writes the sound of a clip, from its first frame to its last, to `target`, an .m4a; whether there is any.

    Raises ThroughlineError for what is no clip, OSError if the file can't be written.
    """
    samples = read_sound(clip)
    if samples:
        _write(target, bytes(samples))
    return bool(samples)


def keep_upload(path: Path, target: Path) -> float:
    """Writes the sound of any file that has some to `target`, an .m4a; gives how many seconds it lasts.

    Raises ThroughlineError for what has no sound that can be read, or more than MOST_SECONDS of it; OSError if the file
    can't be written.
    """
    with temporary_folder() as folder:
        raw = folder / "sound.raw"
        samples = decode_sound(path, raw, Excerpt(seconds=MOST_SECONDS + 1))
        if samples > MOST_SECONDS * RATE:
            raise ThroughlineError(f"sound {path.name!r} is too long: expected at most {MOST_SECONDS:.0f} s")
        _write(target, f"file:{raw}")
    return samples / RATE


def decode_sound(path: Path, target: Path, part: Excerpt = Excerpt()) -> int:
    """Writes a sound as 16-bit samples, left and right, RATE a second, and gives how many; none is held in memory.

    Raises ThroughlineError for what has no sound that can be read.
    """
    name, demuxer, written = repr(path.name), _demuxer(path), 0
    most = round(part.seconds / part.speed * RATE) + RATE
    chunks = ffmpeg.stream(
        "-v", "error", *LOCAL_ONLY, *GUARDED_SOUND, "-f", demuxer, "-i", f"file:{path}",
        "-map", "0:a:0", "-af", part.filters, *FORMAT, "-", chunk_bytes=CHUNK_BYTES,
    )  # fmt: skip
    with closing(chunks), target.open("wb") as file:
        while written <= most * SAMPLE_BYTES:
            try:
                written += file.write(next(chunks))
            except StopIteration as end:
                _check_decoded(name, written, end.value.messages)
                break
    return written // SAMPLE_BYTES


def _check_decoded(name: str, written: int, messages: str) -> None:
    if "matches no streams" in messages:
        raise ThroughlineError(f"sound {name} has no sound track: expected a file with sound")
    if not written:
        why = messages.strip().splitlines() or ["there is nothing in it"]
        raise ThroughlineError(f"sound {name} can't be read: {SPEAKER.sub('', why[0])[:200]}")


def _demuxer(path: Path) -> str:
    with path.open("rb") as file:
        found = ffmpeg.demuxer_of(file.read(64), SOUND_DEMUXERS)
    if found is None:
        kinds = "MP3, WAV, AIFF, FLAC, OGG, M4A, AAC or a video with sound"
        raise ThroughlineError(f"sound {path.name!r} is not a sound that can be read: expected {kinds}")
    return found


def _tempos(speed: float) -> Iterator[float]:
    """Factors that make up a speed, each one that ffmpeg's "atempo" takes in any version."""
    while not SLOWEST <= speed <= FASTEST:
        step = SLOWEST if speed < SLOWEST else FASTEST
        yield step
        speed /= step
    if speed != 1:
        yield speed


def _write(target: Path, samples: bytes | str) -> None:
    """An AAC file. samples: in FORMAT, or where they lie. Raises OSError."""
    source, given = (samples, None) if isinstance(samples, str) else ("-", samples)
    program = (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *FORMAT, "-i", source)
    exact = ("-fflags", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1")  # the same file each time
    options = ("-c:a", "aac", "-b:a", "160k", *exact, "-movflags", "+faststart", "-f", "mp4", f"file:{target}")
    patience, command = ffmpeg.PATIENCE_SECONDS, (*program, *options)
    try:
        result = subprocess.run(command, input=given or b"", capture_output=True, check=False, timeout=patience)
    except subprocess.TimeoutExpired:
        raise OSError(f"{target.name} could not be written in {patience} s") from None
    if result.returncode or not target.is_file():
        raise OSError(f"{target.name} could not be written")


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
