"""Clips and pictures that were cut off, had bits turned or got another's beginning: each is read or refused in a line.

python -m tests.soak.media_fuzz --count 2000
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from pipeline.errors import ThroughlineError
from storyboard.media.images import is_picture
from storyboard.media.importing import read_any
from storyboard.media.sound import read_sound

MOST_MEGABYTES, MOST_SECONDS = 700, 75
CLIPS = {  # options of ffmpeg by file name
    "h264.mp4": ["-c:v", "libx264", "-c:a", "aac"], "front.mp4": ["-c:v", "libx264", "-movflags", "+faststart"],
    "hevc.mov": ["-c:v", "libx265", "-pix_fmt", "yuv420p10le"], "vp9.webm": ["-c:v", "libvpx-vp9", "-c:a", "libopus"],
    "alpha.webm": ["-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0"], "av1.mkv": ["-c:v", "libsvtav1"],
    "mpeg4.avi": ["-c:v", "mpeg4", "-c:a", "pcm_s16le"], "jpeg.avi": ["-c:v", "mjpeg"], "a.gif": ["-c:v", "gif"],
    "prores.mov": ["-c:v", "prores_ks", "-c:a", "pcm_s16le"], "mpeg2.mkv": ["-c:v", "mpeg2video", "-r", "25"],
    "ffv1.mkv": ["-c:v", "ffv1", "-level", "3"],
    "dnxhr.mov": ["-c:v", "dnxhd", "-profile:v", "dnxhr_sq", "-s", "256x144"],
    "hap.mov": ["-c:v", "hap"], "dv.avi": ["-c:v", "dvvideo", "-s", "720x576", "-r", "25", "-pix_fmt", "yuv420p"],
    "parts.mp4": ["-c:v", "libx264", "-movflags", "+frag_keyframe+empty_moov"],
}  # fmt: skip


def whole_files(folder: Path) -> list[bytes]:
    """One whole file of each kind."""
    source = ["-f", "lavfi", "-i", "testsrc2=s=176x144:r=12:d=1", "-f", "lavfi", "-i", "sine=d=1"]
    for name, options in CLIPS.items():
        program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *source, *options, str(folder / name)]
        subprocess.run(program, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    pictures = [Image.fromarray(np.roll(np.indices((144, 176, 3)).sum(0) * 3 % 256, 9 * i, 1).astype(np.uint8))
                for i in range(5)]  # fmt: skip
    for name in ("a.png", "a.jpg", "a.webp", "a.avif"):
        pictures[0].save(folder / name)
    for name in ("moving.webp", "moving.png", "moving.avif"):
        pictures[0].save(folder / name, save_all=True, append_images=pictures[1:], duration=125)
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def cut_off(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    return data[: rng.randrange(1, len(data))]


def bits_turned(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """In the beginning, where it says what it is, or anywhere."""
    found, most = bytearray(data), rng.choice([256, 4096, len(data)])
    for _ in range(rng.choice([1, 4, 16, 64])):
        found[rng.randrange(min(most, len(found)))] ^= 1 << rng.randrange(8)
    return bytes(found)


def beginning_swapped(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    length = rng.choice([16, 64, 512, 4096])
    return rng.choice(others)[:length] + data[length:]


WAYS: list[Callable[[bytes, random.Random, list[bytes]], bytes]] = [cut_off, bits_turned, beginning_swapped]


def try_one(path: Path) -> str:
    """Reads a file as an import does. What came of it: "read", or the error."""
    began = time.monotonic()
    try:
        frames = read_any(path, 48, 72, 8, 17)
        assert frames.dtype == np.uint8 and frames.shape[1:] == (48, 72, 3) and len(frames), frames.shape
        if not is_picture(path):
            read_sound(path)
        told = "read"
    except ThroughlineError as error:
        told = str(error)
    assert time.monotonic() - began < MOST_SECONDS, f"{told}: it took {time.monotonic() - began:.0f} s"
    assert told.isprintable() and str(path.parent) not in told, told
    return told


def run(count: int, seed: int) -> Counter[str]:
    """How often each thing came of it. Raises AssertionError for what is neither, and for too much memory."""
    rng, found = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="throughline-fuzz-") as folder:
        Path(folder, "whole").mkdir()
        whole, path = whole_files(Path(folder, "whole")), Path(folder, "clip.bin")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(count):
            path.write_bytes(WAYS[number % len(WAYS)](rng.choice(whole), rng, whole))
            told = try_one(path)
            found["read" if told == "read" else "refused"] += 1
            assert sorted(p.name for p in Path(folder).iterdir()) == ["clip.bin", "whole"], "something was written"
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        own = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        assert max(most, own) < MOST_MEGABYTES, f"{most} MB in ffmpeg, {own} MB more here"
    found["megabytes"] = most
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    began, found = time.monotonic(), run(options.count, options.seed)
    print(f"seed {options.seed}: {options.count} files, {found['read']} read, {found['refused']} refused in a line, "
          f"{found['megabytes']} MB at most; {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
