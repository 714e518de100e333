"""The way of a clip's frames from how they are stored to how they are looked at, as a chain of ffmpeg's filters.

Everything that a header leaves open is decided here, as players do: no filter has to guess.
"""

from __future__ import annotations

import math

from .fit import NEARLY, Fit
from .header import Header

SD_HEIGHT, SD_WIDTH = 576, 1280  # untagged pictures up to this height and below this width are BT.601, others BT.709
MATRICES = frozenset(["bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc", "ycgco"])
RGB = ("gbr", "rgb", "bgr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb")
HDR = frozenset(["smpte2084", "arib-std-b67"])  # PQ and HLG
WIDE = frozenset(["bt2020", "smpte431", "smpte432"])  # primaries with colours that BT.709 lacks
WHITE_NITS = 203  # of HDR, what is white in SDR (ITU-R BT.2408)
KNEE = 0.6  # share of white from which HDR is pressed together
OPAQUE_GREY = ("gray", "gray10le", "gray12le")
CLOCK = 1e-6  # seconds: ffmpeg's own unit of time
MARGIN, GIF_MARGIN = 1.1e-3, 1.01e-2  # seconds by which containers round the time of a frame, the first one's as well
SLIVER = 0.1  # share of a frame at the end that is not worth a frame
OWN_RATE = 0.02  # relative difference up to which a rate is a clip's own


def decoder(header: Header) -> tuple[str, ...]:
    """Options before the input. The usual decoders of WebM leave transparency out."""
    with_alpha = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
    return ("-c:v", with_alpha[header.codec]) if header.hidden_alpha and header.codec in with_alpha else ()


def chain(header: Header, width: int, height: int, frames_per_second: float, fit: Fit) -> str:
    """All filters, from decoded frames to "gbrp" of that size."""
    parts = [_colours(header)]
    if header.interlaced:
        parts.append("bwdif=mode=send_frame:deint=interlaced")
    parts += [_rate(header, frames_per_second), "setparams=field_mode=prog"]
    if has_alpha(header):
        parts += _over_black(header)
    elif _is_rgb(header):
        parts.append("format=gbrp")
    elif header.width % 2 or header.height % 2:  # half a colour sample is more than zscale takes
        parts.append("scale=flags=accurate_rnd+full_chroma_int,format=yuv444p")
    parts += [_resized(width, height, fit, _is_rgb(header) or has_alpha(header)), *_to_sdr(header), "format=gbrp"]
    if fit.mode == "fill":
        parts.append(f"crop={width}:{height}:(iw-ow)*{fit.across:g}:(ih-oh)*{fit.down:g}")
    elif fit.mode == "fit":
        parts.append(f"pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:black")
    return ",".join([*parts, "setsar=1"])


# --- time ------------------------------------------------------------------------------------------------------------


def margin(header: Header, frames_per_second: float) -> float:
    """Seconds that a frame may come late and still be there in time: what its container rounds, and nearly half a frame
    at the clip's own rate, where each frame is wanted once."""
    if any(abs(rate - frames_per_second) <= OWN_RATE * frames_per_second for rate in header.rates):
        return 0.45 / frames_per_second
    return min(GIF_MARGIN if header.demuxer == "gif" else MARGIN, 0.45 / frames_per_second)


def frames_wanted(header: Header, frames_per_second: float) -> int:
    """How many frames there are at a rate: a clip lasts as long as it did, and at its own rate has its own frames."""
    wanted = max(1, math.ceil(header.seconds * frames_per_second - SLIVER))
    return header.frames if abs(header.frames - wanted) <= 1 and _is_own(header, frames_per_second) else wanted


def _is_own(header: Header, frames_per_second: float) -> bool:
    mean = (header.frames - 1) / header.last if header.last else frames_per_second
    return abs(mean - frames_per_second) <= OWN_RATE * frames_per_second


def _rate(header: Header, frames_per_second: float) -> str:
    """At the time of each frame that goes out, the last one that came in until then."""
    late = round(margin(header, frames_per_second) / CLOCK)
    return f"settb=AVTB,setpts=PTS-STARTPTS-{late},fps={frames_per_second:.10g}:round=up"


# --- colour ----------------------------------------------------------------------------------------------------------


def has_alpha(header: Header) -> bool:
    """Whether parts of the picture may be transparent."""
    alpha = ("yuva", "gbrap", "rgba", "bgra", "argb", "abgr", "ya", "pal8")
    return header.hidden_alpha or header.pixel_format.startswith(alpha)


def _is_rgb(header: Header) -> bool:
    return header.pixel_format.startswith(RGB)


def _colours(header: Header) -> str:
    """Tags every frame with what is known, or else usual, about its colours."""
    matrix, primaries, transfer = header.colour
    if matrix not in MATRICES:
        small = header.height <= SD_HEIGHT and header.width < SD_WIDTH
        matrix = "bt2020nc" if primaries == "bt2020" else "smpte170m" if small else "bt709"
    matrix = "gbr" if _is_rgb(header) else matrix
    primaries = primaries if primaries in WIDE else "bt2020" if transfer in HDR else "bt709"
    transfer = transfer if transfer in HDR else "bt709"
    spread = "pc" if header.full_range or _is_rgb(header) else "tv"
    return f"setparams=colorspace={matrix}:color_primaries={primaries}:color_trc={transfer}:range={spread}"


def _over_black(header: Header) -> list[str]:
    """Before anything is made smaller: colours that nobody sees must not get into those beside them."""
    first = ["format=gbrap", "zscale"] if _is_rgb(header) else ["format=yuva444p", "zscale=m=gbr:r=full"]
    return [*first, "format=gbrap16le", "premultiply=inplace=1"]  # in 8 bits it darkens


def _resized(width: int, height: int, fit: Fit, rgb: bool) -> str:
    """To the size that `fit.size` gives for the shape that is shown, whatever the shape of the pixels; and to RGB."""
    shape = "clip(dar\\,0.05\\,20)"
    wide, tall = f"round({height}*{shape})", f"round({width}/{shape})"
    size = {
        "fill": (f"max({width}\\,{wide})", f"max({height}\\,{tall})"),
        "fit": (_up_to(width, wide), _up_to(height, tall)),
        "stretch": (str(width), str(height)),
    }[fit.mode]
    return f"zscale=w='{size[0]}':h='{size[1]}':f=lanczos" + ("" if rgb else ":m=gbr:r=full")


def _up_to(side: int, length: str) -> str:
    """`length`, but the whole side where it nearly is that."""
    return f"if(gte({length}\\,{NEARLY * side:g})\\,{side}\\,max(1\\,{length}))"


def _to_sdr(header: Header) -> list[str]:
    """HDR by a curve that leaves the lower part of the light as it is (Mobius); other wide colours are only cut off."""
    _, primaries, transfer = header.colour
    if transfer in HDR:
        return ["format=gbrp16le", f"zscale=t=linear:npl={WHITE_NITS}", "format=gbrpf32le", "zscale=p=bt709",
                f"tonemap=mobius:param={KNEE}:desat=0", "zscale=t=bt709"]  # fmt: skip
    if primaries in WIDE:
        return ["format=gbrp16le", "zscale=t=linear", "format=gbrpf32le", "zscale=p=bt709", "zscale=t=bt709"]
    return []
