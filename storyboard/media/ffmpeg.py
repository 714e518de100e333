"""Runs ffmpeg over files from strangers: confined, with the demuxers and decoders that are allowed and no others.

Does not cover: what is asked of it (`storyboard.media.video`, `storyboard.media.header`, `storyboard.media.sound`).
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
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
SOUND_DEMUXERS = (
    *DEMUXERS[:3],
    ("wav", re.compile(rb"RIFF....WAVE", re.DOTALL)),
    ("aiff", re.compile(rb"FORM....AIF[FC]", re.DOTALL)),
    ("flac", re.compile(rb"fLaC")),
    ("ogg", re.compile(rb"OggS")),
    ("mp3", re.compile(rb"ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]")),
    ("aac", re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")),
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


def demuxer_of(beginning: bytes, demuxers: Sequence[tuple[str, re.Pattern[bytes]]] = DEMUXERS) -> str | None:
    """What a file that begins so is to be read as."""
    return next((name for name, begins in demuxers if begins.match(beginning)), None)


def run(*arguments: str, most_bytes: int, pixels: int = 0) -> Finished:
    """A confined ffmpeg, which sees nothing of this program's environment. pixels: of a frame; the limit on memory
    follows it. Raises ThroughlineError if it takes too long."""
    return run_confined(_command(arguments), MEMORY_BYTES + HELD_BYTES * pixels, most_bytes)


def stream(*arguments: str, chunk_bytes: int, pixels: int = 0) -> Generator[bytes, None, Finished]:
    """What a confined ffmpeg writes, in pieces of so many bytes of which the last may be shorter, as fast as they are
    taken; at last how it ended, without output. Closing the generator ends the program. Raises as `run` does, where a
    piece takes too long."""
    with _started(_command(arguments), MEMORY_BYTES + HELD_BYTES * pixels) as (child, messages, late):
        assert child.stdout is not None, "it is a pipe"
        while True:
            with _alarm(child, late):
                chunk = child.stdout.read(chunk_bytes)
            if not chunk:
                break
            yield chunk
    return _finished(child, bytearray(), messages, late)


def run_confined(command: Sequence[str], memory_bytes: int, most_bytes: int) -> Finished:
    """Any program with limits on memory, time and what it writes. Raises ThroughlineError if it takes too long."""
    with _started(command, memory_bytes) as (child, messages, late), _alarm(child, late):
        assert child.stdout is not None, "it is a pipe"
        output, overflowed = _read(child.stdout, most_bytes)
        if overflowed:
            child.kill()
        child.wait()
    return _finished(child, output, messages, late, overflowed)


def _command(arguments: Sequence[str]) -> tuple[str, ...]:
    return (imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-filter_threads", "1", *arguments)


Child = subprocess.Popen[bytes]


@contextmanager
def _started(command: Sequence[str], memory_bytes: int) -> Iterator[tuple[Child, bytearray, threading.Event]]:
    """A confined program, its messages so far, and whether it was given up. It has ended when the block has."""
    limits = (str(memory_bytes), str(-int(-PATIENCE_SECONDS // 1)))
    pipe = subprocess.Popen(
        (sys.executable, "-I", "-S", str(CONFINED), *limits, *command),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={"MALLOC_ARENA_MAX": "1"},  # each arena of the C library reserves 64 MB
    )  # fmt: skip
    messages = bytearray()
    with pipe as child:
        assert child.stderr is not None, "it is a pipe"
        listener = threading.Thread(target=_gather, args=(child.stderr, messages))
        try:
            listener.start()
            yield child, messages, threading.Event()
            child.wait()
        except BaseException:
            child.kill()
            raise
        finally:
            if listener.ident is not None:
                listener.join()


@contextmanager
def _alarm(child: Child, late: threading.Event) -> Iterator[None]:
    """Ends a program that takes longer than PATIENCE_SECONDS for what is done meanwhile."""
    alarm = threading.Timer(PATIENCE_SECONDS, _give_up, args=(child, late))
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


def _finished(
    child: Child, output: bytearray, messages: bytearray, late: threading.Event, overflowed: bool = False
) -> Finished:
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
