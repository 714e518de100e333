"""What a clip says about itself, and when each of its frames is shown, before any of them is decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import ThroughlineError

from . import ffmpeg
from .ffmpeg import GUARDED, LOCAL_ONLY

MOST_ASPECT = 20
MOST_SECONDS = 900.0
MOST_FRAME_RATE = 1000.0
MOST_PACKET_BYTES = 32 << 20  # of the list of packets, about 60 each
ENDS_EARLY = 0.9  # share of the length in the header below which a clip counts as truncated
NAMES = {  # codecs that are read, by ffmpeg's names, as people call them
    "h264": "H.264", "hevc": "HEVC", "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "mpeg4": "MPEG-4",
    "mpeg2video": "MPEG-2", "mpeg1video": "MPEG-1", "mjpeg": "Motion JPEG", "gif": "GIF",
    "prores": "ProRes", "h263": "H.263", "dvvideo": "DV", "ffv1": "FFV1", "dnxhd": "DNxHR", "hap": "Hap",
}  # fmt: skip
READ_CODECS = ", ".join(NAMES.values())
INTERLACED = re.compile(r"(top|bottom) (coded )?first")
VIDEO = re.compile(r"^ *Stream #0:(\d+)\S*: Video: (.*)$", re.MULTILINE)
SOUND = re.compile(r"^ *Stream #0:\d+\S*: Audio: ", re.MULTILINE)
LOOK = re.compile(r"\w+(?: \([^,]*?\))*, (\w+)(?:\(((?:[^()]|\([^()]*\))+)\))?(?=,)")
SIZE = re.compile(r"\b([1-9]\d*)x([1-9]\d*)\b")
SHAPE = re.compile(r"\bSAR (\d+):(\d+)")
RATE = re.compile(r", ([\d.]+)(k?) (fps|tbr)\b")
DURATION = re.compile(r"Duration: (\d+):(\d+):([\d.]+)")


@dataclass(frozen=True)
class Header:
    """A clip's picture track."""

    demuxer: str
    stream: int  # its number in the file
    codec: str
    pixel_format: str
    width: int  # as stored
    height: int
    colour: tuple[str, str, str]  # matrix, primaries, transfer in ffmpeg's words; "unknown" where it does not say
    full_range: bool
    interlaced: bool
    hidden_alpha: bool  # whether WebM keeps its transparency where the usual decoder does not look
    rates: tuple[float, ...]  # frames a second, as it says
    sound: bool  # whether there is a sound track
    starts: float = 0.0  # seconds at which its picture begins in the file
    seconds: float = 0.0  # for which its picture is shown
    frames: int = 0
    last: float = 0.0  # seconds after its first frame at which the last one begins

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass
class _Track:
    """The times of a track's packets, in seconds."""

    begins: list[float] = field(default_factory=list)
    lasts: list[float] = field(default_factory=list)

    @property
    def end(self) -> float:
        return max(begin + last for begin, last in zip(self.begins, self.lasts, strict=True))


def read_header(path: Path) -> Header:
    """Raises ThroughlineError for what is no video, for a codec that is not read, for more than the limits above allow
    and for a file that ends before its picture does. Sound and other tracks are never judged."""
    name = repr(path.name)
    demuxer = _demuxer(path)
    found = ffmpeg.run(
        "-v", "info", *LOCAL_ONLY, *GUARDED, "-copyts", "-f", demuxer, "-i", f"file:{path}",
        "-map", "0:V:0", "-map", "0:a?", "-map", "0:s?", "-ignore_unknown", "-c", "copy", "-f", "framecrc", "-",
        most_bytes=MOST_PACKET_BYTES,
    )  # fmt: skip
    if "moov atom not found" in found.messages:
        raise ThroughlineError(f"clip {name} is truncated: its index is missing")
    header = _parsed(name, demuxer, found.messages.partition("Output #0")[0])
    if found.overflowed:
        raise ThroughlineError(f"clip {name} has more packets than are read: expected {MOST_SECONDS:.0f} s at most")
    tracks = _tracks(found.output.decode(errors="replace"))
    _check_whole(name, header, found.messages)
    if 0 not in tracks:
        raise ThroughlineError(f"clip {name} is damaged: there is no picture in its picture track")
    _check_length(name, header, tracks, found.messages)
    return _timed(name, header, tracks[0])


def _demuxer(path: Path) -> str:
    name = repr(path.name)
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise ThroughlineError(f"clip {name} {problem}: expected a video file")
    with path.open("rb") as file:
        beginning = file.read(64)
    if not beginning:
        raise ThroughlineError(f"clip {name} is empty: expected a video file")
    demuxer = ffmpeg.demuxer_of(beginning)
    if demuxer is None:
        raise ThroughlineError(f"clip {name} is not a video that can be read: expected MP4, MOV, WebM, MKV, AVI or GIF")
    return demuxer


def _parsed(name: str, demuxer: str, text: str) -> Header:
    """text: what ffmpeg says about a file."""
    tracks = [found for found in VIDEO.finditer(text) if "(attached pic)" not in found[2]]
    if not tracks:
        if VIDEO.search(text) or SOUND.search(text):
            raise ThroughlineError(f"clip {name} has no picture track: expected a video")
        raise ThroughlineError(f"clip {name} is not a video that can be read, or is damaged from its beginning on")
    said = tracks[0][2]
    codec = said.partition(" ")[0].rstrip(",")
    if codec not in NAMES:
        shown = "an unknown codec" if codec == "none" else f"the codec {codec[:40]}"
        raise ThroughlineError(f"clip {name} uses {shown}, which is not read: expected {READ_CODECS}")
    size, look = SIZE.search(said), LOOK.match(said)
    _check_size(name, size)
    assert size is not None, "a clip without a size is refused"
    parts = look[2].split(", ") if look and look[2] else []
    rates = tuple(float(rate) * (1000 if kilo else 1) for rate, kilo, _ in RATE.findall(said))
    rest = text[tracks[0].end() :].partition("\n  Stream #")[0]
    return Header(
        demuxer=demuxer, stream=int(tracks[0][1]), codec=codec, pixel_format=look[1] if look else "unknown",
        width=int(size[1]), height=int(size[2]), colour=_colour(parts), full_range="pc" in parts,
        interlaced=any(INTERLACED.search(part) for part in parts),
        hidden_alpha=bool(re.search(r"alpha_mode\s*: 1", rest)), rates=rates, sound=bool(SOUND.search(text)),
    )  # fmt: skip


def _colour(parts: list[str]) -> tuple[str, str, str]:
    """parts: such as ["tv", "bt2020nc/bt2020/smpte2084", "progressive"]; one name stands for all three."""
    for part in parts:
        if part not in ("tv", "pc", "progressive") and not INTERLACED.search(part):
            names = part.split("/")
            return (names[0], names[1], names[2]) if len(names) == 3 else (part, part, part)
    return "unknown", "unknown", "unknown"


def _check_size(name: str, size: re.Match[str] | None) -> None:
    """Raises ThroughlineError for a clip that would take too much to decode."""
    if size is None or int(size[1]) * int(size[2]) > ffmpeg.MOST_PIXELS:
        found = f"{size[1]} x {size[2]}" if size else "without a size"
        raise ThroughlineError(f"clip {name} is {found}: expected at most {ffmpeg.MOST_PIXELS} pixels a frame")
    sides = sorted((int(size[1]), int(size[2])))
    if sides[1] > MOST_ASPECT * sides[0]:  # cut to a film's shape it would first be enlarged to millions of pixels
        raise ThroughlineError(f"clip {name} is {size[1]} x {size[2]}: expected at most {MOST_ASPECT} : 1")


# --- times -----------------------------------------------------------------------------------------------------------


def _tracks(listing: str) -> dict[int, _Track]:
    """The packets by track, from ffmpeg's "framecrc": stream, decoding time, time, duration, bytes, ..."""
    bases, tracks = dict[int, float](), dict[int, _Track]()
    for line in listing.splitlines():
        if base := re.match(r"#tb (\d+): (\d+)/(\d+)", line):
            bases[int(base[1])] = int(base[2]) / max(1, int(base[3]))
        parts = line.split(",")
        if line.startswith("#") or len(parts) < 5 or not _is_shown(line):
            continue
        number, decoded, shown, lasts = (int(part) for part in parts[:4])
        track = tracks.setdefault(number, _Track())
        track.begins.append((shown if shown > NO_TIME else decoded) * bases.get(number, 0))
        track.lasts.append(lasts * bases.get(number, 0))
    return tracks


NO_TIME = -(2**62)


def _is_shown(line: str) -> bool:
    """Whether a packet is more than a help to decode others: an edit list may say so."""
    flags = re.search(r"F=0x(\w+)", line)
    return not flags or not int(flags[1], 16) & 4


def _check_whole(name: str, header: Header, messages: str) -> None:
    """Raises ThroughlineError for a file that lists its packets, as MP4 does, and ends before the picture's last."""
    if re.search(rf"stream {header.stream}, offset 0x\w+: partial file", messages):
        raise ThroughlineError(f"clip {name} is truncated: the file ends before its picture")


def _check_length(name: str, header: Header, tracks: dict[int, _Track], messages: str) -> None:
    """Raises ThroughlineError for a file that only says how long its longest track is, and ends before that."""
    length = DURATION.search(messages)
    if header.demuxer not in ("matroska", "avi") or length is None:
        return
    seconds = sum(float(part) * unit for part, unit in zip(length.groups(), (3600, 60, 1), strict=True))
    end = max(track.end for track in tracks.values())
    if end < ENDS_EARLY * seconds - max(tracks[0].lasts):
        raise ThroughlineError(f"clip {name} is truncated: it ends after {end:.1f} of {seconds:.1f} s")


def _timed(name: str, header: Header, track: _Track) -> Header:
    """Raises ThroughlineError for a picture track that is too long."""
    begins = sorted(track.begins)
    lasts = dict(zip(track.begins, track.lasts, strict=True))[begins[-1]]
    span = begins[-1] - begins[0]
    usual = span / (len(begins) - 1) if span else 1 / header.rates[0] if header.rates and header.rates[0] else 0.0
    seconds = span + (lasts or usual)
    if seconds > MOST_SECONDS:
        raise ThroughlineError(f"clip {name} lasts {seconds:.0f} s: expected at most {MOST_SECONDS:.0f}")
    if span and (len(begins) - 1) / span > MOST_FRAME_RATE:
        rate = (len(begins) - 1) / span
        raise ThroughlineError(f"clip {name} has {rate:.0f} frames a second: expected at most {MOST_FRAME_RATE:.0f}")
    changes = {"starts": begins[0], "seconds": seconds, "frames": len(begins), "last": span}
    return Header(**{**vars(header), **changes})
