"""Media and archives from somebody who means harm: refused in a line, in little memory, and nothing else happens."""

import hashlib
import io
import json
import os
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ThroughlineError
from storyboard.export import archive
from storyboard.media import ffmpeg as media_ffmpeg
from storyboard.media import video
from storyboard.media.images import check_header, read_picture
from tests.paths import ROOT
from tests.storyboard.conftest import gradient

MEGABYTES = 512  # of memory, of the reader and of ffmpeg each
SECRET = "the-secret-that-must-not-get-out"

READ = """
import resource, sys
from pathlib import Path
from pipeline.errors import ThroughlineError
from storyboard.export.archive import read_archive
from storyboard.media.video import read_clip
path = Path(sys.argv[1])
try:
    found = read_archive(path) if path.suffix == ".zip" else read_clip(path, 96, 144, 8, 1 << 27)
    print("READ", found)
except ThroughlineError as error:
    print("REFUSED", error)
own = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])  # ru_maxrss counts its parent's, too
print("MEGABYTES", max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024)
"""


def ffmpeg(*arguments: object) -> None:
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(program, check=True, stdin=subprocess.DEVNULL)


def color(size: str, seconds: float = 1, rate: float = 8) -> list[str]:
    return ["-f", "lavfi", "-i", f"color=c=red:s={size}:r={rate}:d={seconds}"]


# --- clips -----------------------------------------------------------------------------------------------------------


def playlist(content: str) -> Callable[[Path, Path], None]:
    return lambda path, secret: path.write_text(content.replace("SECRET", str(secret)))


def picture_as_clip(path: Path, secret: Path) -> None:
    Image.new("RGB", (64, 64)).save(path.with_suffix(".png"))
    path.with_suffix(".png").rename(path)


def very_wide(path: Path, secret: Path) -> None:
    """As wide as a GIF can be: enlarged to the height of a film it would be millions of pixels wide."""
    ffmpeg(*color("60000x1", 0.5), "-f", "gif", path)


def large(path: Path, secret: Path) -> None:
    ffmpeg(*color("8192x8192", 0.25), "-c:v", "mjpeg", "-q:v", "31", "-f", "matroska", path)


def a_million_frames(path: Path, secret: Path) -> None:
    """Two frames that say they are a thousand seconds apart, at a thousand frames a second."""
    ffmpeg(
        *color("16x16", 2, 1), "-vf", "setpts=N*1000/TB", "-fps_mode", "vfr", "-c:v", "mpeg4", "-f", "matroska", path
    )


def very_fast(path: Path, secret: Path) -> None:
    ffmpeg(*color("16x16", 0.01, 100_000), "-c:v", "ffv1", "-f", "matroska", path)


def odd_codec(path: Path, secret: Path) -> None:
    ffmpeg(*color("64x64"), "-c:v", "utvideo", "-f", "matroska", path)


def truncated(path: Path, secret: Path) -> None:
    ffmpeg(*color("64x64", 4), "-c:v", "libx264", "-f", "mp4", path)
    path.write_bytes(path.read_bytes()[:-400])


def scrambled(path: Path, secret: Path) -> None:
    ffmpeg(*color("64x64", 4), "-c:v", "libx264", "-f", "mp4", "-movflags", "+faststart", path)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(40, len(content), 300):
        content[at] = rng.integers(256)
    path.write_bytes(content)


def only_sound(path: Path, secret: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "pcm_s16le", "-f", "avi", path)


def pointing_at_a_file(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


CLIPS: dict[str, Callable[[Path, Path], object]] = {
    "HLS playlist of a file": playlist("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nSECRET\n#EXT-X-ENDLIST\n"),
    "HLS playlist of an address": playlist("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:PORT/x.ts\n#EXT-X-ENDLIST\n"),
    "list of files": playlist("ffconcat version 1.0\nfile 'SECRET'\n"),
    "DASH manifest": playlist('<?xml version="1.0"?><MPD><BaseURL>SECRET</BaseURL></MPD>'),
    "SDP": playlist("v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"),
    "subtitles": playlist("WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"),
    "script": playlist("#!/bin/sh\ncat SECRET\n"), "SVG": playlist('<svg><image href="file://SECRET"/></svg>'),
    "playlist that begins as a clip": playlist("\0\0\0\x18ftypisom#EXTM3U\n#EXTINF:1,\nSECRET\n"),
    "picture": picture_as_clip, "60000 x 1": very_wide, "8192 x 8192": large, "a million frames": a_million_frames,
    "100000 frames a second": very_fast, "codec that is not allowed": odd_codec, "truncated": truncated,
    "scrambled": scrambled, "sound alone": only_sound, "link": pointing_at_a_file,
    "nothing": lambda path, secret: path.write_bytes(b""),
    "noise": lambda path, secret: path.write_bytes(os.urandom(1 << 16)),
    "device": lambda path, secret: path.symlink_to("/dev/zero"),
    "EBML of endless size": lambda path, secret: path.write_bytes(b"\x1aE\xdf\xa3\x01" + b"\xff" * 7 + bytes(1 << 16)),
    "atoms in atoms": lambda path, secret: path.write_bytes(
        b"\0\0\0\x18ftypisom" + bytes(12) + b"".join(struct.pack(">I", 8 * (999 - n)) + b"moov" for n in range(990))
    ),
    "name with a NUL": lambda path, secret: None,
}  # fmt: skip


@pytest.mark.parametrize("kind", CLIPS)
def test_a_hostile_clip_is_refused(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    path = tmp_path / "clip.mp4"
    if kind == "name with a NUL":
        with pytest.raises((ThroughlineError, ValueError), match=r"null|exist"):
            video.read_clip(Path("clip\0.mp4"), 96, 144, 8)
        return
    CLIPS[kind](path, secret)
    before = sorted(tmp_path.iterdir())
    told, megabytes = read_apart(path)
    assert told.startswith("REFUSED") and SECRET not in told and told.count("\n") == 0, told
    assert megabytes < MEGABYTES and sorted(tmp_path.iterdir()) == before


def read_apart(path: Path) -> tuple[str, int]:
    """Reads in a process of its own; what it said, and the most memory that it or ffmpeg took."""
    result = subprocess.run([sys.executable, "-c", READ, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0 and not result.stderr, result.stderr[-800:]
    told, megabytes = result.stdout.strip().rsplit("\nMEGABYTES ", 1)
    return told, int(megabytes)


def test_ffmpeg_is_confined(tmp_path: Path) -> None:
    limits = "r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_FSIZE"
    told = f"import resource as r; print(*[r.getrlimit(kind)[1] for kind in ({limits})])"
    program = [sys.executable, "-I", "-S", media_ffmpeg.CONFINED, str(300 << 20), "7", sys.executable, "-S", "-c", told]
    result = subprocess.run(program, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [str(300 << 20), "7", "0"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0, "this process is not"


def test_a_clip_that_takes_too_long_is_given_up(clip_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_ffmpeg, "PATIENCE_SECONDS", 0.001)
    monkeypatch.setattr(media_ffmpeg, "MEMORY_BYTES", 1 << 30)
    with pytest.raises(ThroughlineError, match=r"took more than 0\.001 s"):
        media_ffmpeg.run("-i", str(clip_file), most_bytes=1 << 20)


def test_what_phones_and_cameras_make_is_read(tmp_path: Path) -> None:
    ffmpeg(*color("1920x1080", 2, 30), "-c:v", "libx264", "-preset", "ultrafast", tmp_path / "phone.mp4")
    assert video.read_clip(tmp_path / "phone.mp4", 96, 144, 8).shape == (16, 96, 144, 3)


# --- pictures --------------------------------------------------------------------------------------------------------


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("data", [png_of(100_000, 1_000), png_of(30_000, 30_000), png_of(4097, 4096), b"", b"GIF89a",
                                  b"\x89PNG\r\n\x1a\n", png_of(100, 100)[:40], png_of(4000, 4000)])  # fmt: skip
def test_a_hostile_picture_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(ThroughlineError, match="picture"):
        read_picture(path)


def test_a_bomb_is_known_by_its_header() -> None:
    file = io.BytesIO()
    Image.fromarray(gradient(1, 48, 72)[0]).save(file, "WEBP")
    check_header(file.getvalue(), "webp")
    for data, suffix in (
        (png_of(100_000, 1_000), "png"),
        (b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\0" * 2, "webp"),
        (b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", 0x0FFFFFFF), "webp"),
        (b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383), "webp"),
    ):
        with pytest.raises(ThroughlineError, match="at most"):
            check_header(data, suffix)


STORY = '{"id": "a"}'
STEP = f'{{"label":"","story":{STORY}}}'


# --- archives --------------------------------------------------------------------------------------------------------


def zipped(path: Path, **files: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in files.items():
            bundle.writestr(name.replace("__", "."), data)


def bomb(path: Path) -> None:
    zipped(path, manifest__json=b"{}", story__json=b"{}", takes__json=b"[" + b" " * (31 << 20),
           **{f"media/{n:064x}__mp4": bytes(48 << 20) for n in range(4)})  # fmt: skip


def full_of(value: bytes) -> Callable[[Path], None]:
    many = b"[" + value * ((30 << 20) // len(value)) + b"0]"
    return lambda path: zipped(path, manifest__json=many, story__json=b"{}", takes__json=b"[]")


def deep(path: Path) -> None:
    zipped(path, manifest__json=b"[" * 500_000 + b"]" * 500_000, story__json=b"{}", takes__json=b"[]")


def with_number(number: str) -> Callable[[Path], None]:
    manifest = f'{{"format": "throughline story", "version": {number}, "files": {{}}}}'.encode()
    return lambda path: zipped(path, manifest__json=manifest, story__json=b"{}", takes__json=b"[]")


def linked(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as bundle:
        link = zipfile.ZipInfo("story.json")
        link.external_attr = 0o120777 << 16
        bundle.writestr(link, "/etc/passwd")


def named(name: str) -> Callable[[Path], None]:
    return lambda path: zipped(path, **{name: b"{}"})


def archive_of(story: str = STORY, takes: str = "[]", revisions: str = "") -> Callable[[Path], None]:
    """One whose manifest is right."""

    def write(path: Path) -> None:
        steps = revisions or f'{{"present": 0, "steps": [{{"label": "", "story": {story}}}]}}'
        texts = {"story.json": story.encode(), "takes.json": takes.encode(), "revisions.json": steps.encode()}
        files = {name: {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)} for name, text in texts.items()}
        manifest = {"format": "throughline story", "version": 2, "files": files, "weights": []}
        texts["manifest.json"] = json.dumps(manifest).encode()
        zipped(path, **{name.replace(".", "__"): text for name, text in texts.items()})

    return write


def pins(of: str, many: int) -> str:
    return f'{{"id": "a", "scenes": [{{"id": "a", "pins": [{",".join([of] * many)}]}}]}}'


def steps(of: str, many: int) -> str:
    return f'{{"present": 0, "steps": [{",".join([of] * many)}]}}'


PIN = '{"scene":"a","text":"b"}'
SCENES = ",".join(f'{{"id":"{n}"}}' for n in range(500))


ARCHIVES: dict[str, Callable[[Path], None]] = {
    "bomb": bomb, "deep JSON": deep, "link": linked, "huge number": with_number("1" + "0" * 4000),
    "infinity": with_number("1e999"), "traversal": named("../../story.json"), "absolute": named("/etc/cron.d/x"),
    "NUL in a name": named("story.json\0.png"), "Windows path": named("C:\\story.json"),
    "objects": full_of(b"{},"), "lists": full_of(b"[],"), "words": full_of(b'"ab",'), "numbers": full_of(b"1.5,"),
    "wrong pins": archive_of(pins("1", 1_400_000)),
    "many pins": archive_of(pins(PIN, 480_000), revisions=steps("1", 1)),
    "wrong steps": archive_of(revisions=steps("1", 1_400_000)), "steps": archive_of(revisions=steps(STEP, 100_000)),
    "scenes of steps": archive_of(
        revisions=steps(f'{{"label":"","story":{{"id":"a","scenes":[{SCENES}]}}}}', 1_000)),
    "pins of steps": archive_of(revisions=steps(f'{{"label":"","story":{pins(PIN, 45_000)}}}', 10)),
    "scenes of a step": archive_of(revisions=steps(
        f'{{"label":"","story":{{"id":"a","scenes":[{SCENES}]}}}}', 119)),
    "nested zip": lambda path: path.write_bytes(b"PK\3\4" + bytes(100)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_hostile_archive_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "story.zip"
    ARCHIVES[kind](path)
    told, megabytes = read_apart(path)
    assert (
        told.startswith(("REFUSED story archive", "REFUSED scenes.0.pins.0", "REFUSED step is")) and "\n" not in told
    ), told
    assert megabytes < MEGABYTES and [found.name for found in tmp_path.iterdir()] == ["story.zip"]


@pytest.mark.parametrize("changes", [{"width": 2**40}, {"num_frames": 10**9}, {"frames_per_second": 1e300},
                                     {"frames_per_second": 1e-300}, {"width": 4096, "height": 4096}])  # fmt: skip
def test_a_take_of_any_size_is_refused(changes: dict[str, float]) -> None:
    take = {"id": "a", "scene": "s", "clip": "a" * 64, "preview": "a" * 64, "keyframe": "a" * 64, "keyframe_index": 0,
            "num_frames": 17, "width": 144, "height": 96, "frames_per_second": 8}  # fmt: skip
    assert archive._takes([take])
    with pytest.raises(ThroughlineError, match=r"too much|take of"):
        archive._takes(json.loads(json.dumps([take | changes])))
