"""Runs ffmpeg over files from strangers: confined, with the demuxers and decoders that are allowed and no others.

Does not cover: what is asked of it (`storyboard.media.video`, `storyboard.media.header`, `storyboard.media.sound`).
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import imageio_ffmpeg

from pipeline.errors import ThroughlineError

from . import sandbox

CONFINED = Path(sandbox.__file__)

# What strangers may send. The first bytes of a file choose what it is read as: ffmpeg is never asked to guess, which
# it would do with playlists too, that name other files and addresses.
DEMUXERS = (
    ("mov", re.compile(rb"....(ftyp|moov|mdat|wide|free|skip|pnot)", re.DOTALL)),
    ("matroska", re.compile(rb"\x1aE\xdf\xa3")),
    ("avi", re.compile(rb"RIFF....AVI ", re.DOTALL)),
    ("gif", re.compile(rb"GIF8[79]a")),
)
CODECS = (
    "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,libaom-av1,mpeg4,mpeg2video,mpeg1video,mjpeg,gif,prores,h263,"
    "dvvideo,ffv1,dnxhd,hap"
)
SOUND_CODECS = (
    "aac,mp3,mp3float,mp2,mp2float,opus,libopus,vorbis,libvorbis,flac,alac,ac3,eac3,amrnb,amrwb,adpcm_ms,adpcm_ima_wav,"
    "adpcm_ima_qt,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_u8,pcm_s8,"
    "pcm_mulaw,pcm_alaw"
)
MOST_PIXELS = 4096 * 2304  # of a frame
MEMORY_BYTES = 400 << 20  # of ffmpeg, and HELD_BYTES for each pixel of a frame
HELD_BYTES = 16 * 3  # frames that a decoder holds, in 4:2:0 of more than 8 bits
PATIENCE_SECONDS = 60  # of ffmpeg
MOST_MESSAGES = 1 << 20  # bytes of ffmpeg's messages that are kept
LOCAL_ONLY = ("-protocol_whitelist", "file")
GUARDED = ("-threads", "1", "-codec_whitelist", CODECS, "-max_pixels", str(MOST_PIXELS), "-max_streams", "16")
GUARDED_SOUND = tuple(SOUND_CODECS if part == CODECS else part for part in GUARDED)


class Finished(NamedTuple):
    """What a confined program wrote, and how it ended."""

    output: bytearray
    messages: str
    returncode: int
    overflowed: bool  # whether it had more to write than it was allowed, and was stopped


def demuxer_of(beginning: bytes) -> str | None:
    """What a file that begins so is to be read as."""
    return next((name for name, begins in DEMUXERS if begins.match(beginning)), None)


def run(*arguments: str, most_bytes: int, pixels: int = 0) -> Finished:
    """A confined ffmpeg, which sees nothing of this program's environment. pixels: of a frame; the limit on memory
    follows it. Raises ThroughlineError if it takes too long."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    command = (program, "-hide_banner", "-nostdin", "-filter_threads", "1", *arguments)
    return run_confined(command, MEMORY_BYTES + HELD_BYTES * pixels, most_bytes)


def run_confined(command: Sequence[str], memory_bytes: int, most_bytes: int) -> Finished:
    """Any program with limits on memory, time and what it writes. Raises ThroughlineError if it takes too long."""
    limits = (str(memory_bytes), str(-int(-PATIENCE_SECONDS // 1)))
    pipe = subprocess.Popen(
        (sys.executable, "-I", "-S", str(CONFINED), *limits, *command),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={"MALLOC_ARENA_MAX": "1"},  # each arena of the C library reserves 64 MB
    )  # fmt: skip
    late = threading.Event()
    with pipe as child:
        assert child.stdout is not None and child.stderr is not None, "both are pipes"
        alarm = threading.Timer(PATIENCE_SECONDS, _give_up, args=(child, late))
        messages = bytearray()
        listener = threading.Thread(target=_gather, args=(child.stderr, messages))
        listener.start()
        alarm.start()
        try:
            output, overflowed = _read(child.stdout, most_bytes)
            if overflowed:
                child.kill()
            child.wait()
        except BaseException:
            child.kill()
            raise
        finally:
            alarm.cancel()
            listener.join()
    if late.is_set() or child.returncode in _OUT_OF_TIME:
        raise ThroughlineError(f"a clip took more than {PATIENCE_SECONDS} s to read: it was given up")
    return Finished(output, messages.decode(errors="replace"), child.returncode, overflowed)


def _give_up(child: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    child.kill()


_OUT_OF_TIME = (-24, 152)  # the signal SIGXCPU


def _read(pipe: IO[bytes], most: int) -> tuple[bytearray, bool]:
    """All that comes, up to `most` bytes, and whether there was more."""
    found = bytearray()
    while chunk := pipe.read(1 << 20):
        found += chunk
        if len(found) > most:
            return found, True
    return found, False


def _gather(pipe: IO[bytes], into: bytearray) -> None:
    """Empties a pipe, as nobody may wait for it, and keeps its beginning."""
    while chunk := pipe.read(1 << 16):
        into += chunk[: max(0, MOST_MESSAGES - len(into))]
