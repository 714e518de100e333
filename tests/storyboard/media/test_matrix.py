"""What cameras, phones and programs make: containers and codecs, with and without sound, each in its odd ways. The
right frame is at the right time, in the right place, in the right colour."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from pipeline.errors import ThroughlineError
from storyboard.media.sound import read_sound
from storyboard.media.video import RATE, read_clip

HEIGHT, WIDTH, FRAMES_PER_SECOND, FRAMES = 96, 144, 8, 12
COLOURS = {(12, 12): (200, 40, 40), (12, 132): (40, 180, 60), (84, 12): (40, 60, 200), (84, 132): (220, 220, 220)}
GREY, GREYS = (48, 72), [40 + 16 * i for i in range(FRAMES)]  # of the middle, by frame
CODED = {  # codec options by container
    "H.264 in MP4": ("mp4", ["libx264", "-crf", "8"]), "H.264 in MOV": ("mov", ["libx264", "-crf", "8"]),
    "H.264 in MKV": ("mkv", ["libx264", "-crf", "8"]), "HEVC in MP4": ("mp4", ["libx265", "-crf", "8"]),
    "HEVC of 10 bits in MOV": ("mov", ["libx265", "-crf", "8", "-pix_fmt", "yuv420p10le"]),
    "VP8 in WebM": ("webm", ["libvpx", "-crf", "4", "-b:v", "4M"]),
    "VP9 in WebM": ("webm", ["libvpx-vp9", "-crf", "8"]),
    "AV1 in MP4": ("mp4", ["libaom-av1", "-crf", "8", "-cpu-used", "8"]),
    "AV1 in MKV": ("mkv", ["libaom-av1", "-crf", "8", "-cpu-used", "8"]),
    "MPEG-4 in AVI": ("avi", ["mpeg4", "-q:v", "1"]), "Motion JPEG in AVI": ("avi", ["mjpeg", "-q:v", "1"]),
    "MPEG-2 in MKV": ("mkv", ["mpeg2video", "-q:v", "1"]), "ProRes in MOV": ("mov", ["prores_ks"]),
    "GIF": ("gif", ["gif"]),
    "FFV1 in MKV": ("mkv", ["ffv1", "-level", "3"]), "FFV1 in AVI": ("avi", ["ffv1"]),
    "DNxHR in MOV": ("mov", ["dnxhd", "-profile:v", "dnxhr_hq"]), "Hap in MOV": ("mov", ["hap"]),
    "Hap Q in MOV": ("mov", ["hap", "-format", "hap_q"]), "DV in AVI": ("avi", ["dvvideo"]),
    "DV of 60 Hz in MOV": ("mov", ["dvvideo"]),
}  # fmt: skip
H264 = ["libx264", "-crf", "8", "-pix_fmt", "yuv420p"]
SOUND = {"mp4": "aac", "mov": "pcm_s16le", "mkv": "flac", "webm": "libopus", "avi": "pcm_s16le"}
TO_YUV = "scale=out_color_matrix={matrix}:out_range={range}:flags=accurate_rnd+full_chroma_int"
BT709 = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
UNTAGGED = {  # what can't say so is BT.601 while it is small, and a JPEG always is, in full range
    "MPEG-4 in AVI": TO_YUV.format(matrix="smpte170m", range="tv") + ",format=yuv420p",
    "Motion JPEG in AVI": TO_YUV.format(matrix="smpte170m", range="pc") + ",format=yuv444p",
    "FFV1 in AVI": TO_YUV.format(matrix="smpte170m", range="tv") + ",format=yuv420p",
    "DNxHR in MOV": TO_YUV.format(matrix="bt709", range="tv") + ",format=yuv422p," + BT709,
    "Hap in MOV": "format=rgba", "Hap Q in MOV": "format=rgba",
    "DV in AVI": "scale=720:576," + TO_YUV.format(matrix="smpte170m", range="tv") + ",format=yuv420p,setsar=16/15",
    "DV of 60 Hz in MOV": "scale=720:480," + TO_YUV.format(matrix="smpte170m", range="tv") + ",format=yuv411p",
}  # fmt: skip
RATES = {"MPEG-2 in MKV": 25, "DV in AVI": 25, "DV of 60 Hz in MOV": 30000 / 1001}  # those have few


def drawn(height: int = 192, width: int = 288) -> np.ndarray:
    """Frames, uint8 (12, H, W, 3): a colour in each corner, and in the middle a grey that says which frame it is."""
    frames = np.zeros((FRAMES, height, width, 3), np.uint8)
    middle, centre = height // 2, width // 2
    frames[:, :middle, :centre], frames[:, :middle, centre:] = COLOURS[12, 12], COLOURS[12, 132]
    frames[:, middle:, :centre], frames[:, middle:, centre:] = COLOURS[84, 12], COLOURS[84, 132]
    for frame, grey in zip(frames, GREYS, strict=True):
        frame[height // 3 : -height // 3, width // 3 : -width // 3] = grey
    return frames


def coded(
    path: Path, frames: np.ndarray, codec: list[str], filters: str = "", sound: str = "", rate: float = 8
) -> None:
    """Encodes frames, tagged BT.709 unless `filters` says otherwise. sound: a codec, for a tone that is longer."""
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    tone = ["-f", "lavfi", "-i", "sine=440:d=3:r=48000", "-c:a", sound] if sound else []
    look = [] if "gif" in codec else ["-vf", filters or standard()]
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size,
               "-r", str(rate), "-i", "-", *tone, *look, "-c:v", *codec, "-strict", "-2", str(path)]  # fmt: skip
    subprocess.run(program, input=frames.tobytes(), check=True, capture_output=True)


def standard(matrix: str = "bt709", spread: str = "tv", more: str = "") -> str:
    tags = f"setparams=colorspace={matrix}:color_primaries=bt709:color_trc=bt709:range={spread}"
    return f"{more}{TO_YUV.format(matrix=matrix, range=spread)},format=yuv420p,{tags}"


def check(path: Path, off: int = 3, greys: list[int] | None = None, rate: float = FRAMES_PER_SECOND) -> None:
    """Frames, places and colours are as drawn."""
    frames, greys = read_clip(path, HEIGHT, WIDTH, rate).astype(int), greys or GREYS
    assert len(frames) == len(greys)
    for frame, grey in zip(frames, greys, strict=True):
        for (y, x), colour in {**COLOURS, GREY: (grey,) * 3}.items():
            found = np.median(frame[y - 4 : y + 4, x - 4 : x + 4].reshape(-1, 3), axis=0)
            assert np.abs(found - colour).max() <= off, f"at {x}, {y}: {found}, not {colour}"


@pytest.mark.parametrize("sound", [False, True], ids=["silent", "with sound"])
@pytest.mark.parametrize("kind", CODED)
def test_every_container_and_codec_is_read_as_it_was_drawn(kind: str, sound: bool, tmp_path: Path) -> None:
    suffix, codec = CODED[kind]
    if sound and suffix not in SOUND:
        pytest.skip("a GIF has no sound")
    path = tmp_path / f"clip.{suffix}"
    rate = RATES.get(kind, 8)
    coded(path, drawn(), codec, UNTAGGED.get(kind, ""), SOUND[suffix] if sound else "", rate)
    check(path, rate=rate)
    samples = np.frombuffer(read_sound(path), np.int16)
    expected = 2 * round(RATE * FRAMES / rate) if sound else 0
    assert abs(len(samples) - expected) <= 2, "the sound is as long as the picture"


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize("rate", [8, 12, 15, 24, 25, 30, 50, 60])
def test_at_its_own_rate_a_clip_has_each_frame_once(rate: int, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip.{suffix}"
    coded(path, drawn(), ["libvpx", "-crf", "4", "-b:v", "4M"] if suffix == "webm" else H264, rate=rate)
    check(path, rate=rate)


def test_frames_of_uneven_length_are_shown_when_they_were(tmp_path: Path) -> None:
    """The second half at half the speed: frames 6 to 11 last twice as long."""
    path, times = tmp_path / "clip.mkv", "setpts='if(lt(N,6),N,2*N-6)/8/TB',"
    coded(path, drawn(), [*H264, "-fps_mode", "vfr"], filters="settb=1/1000," + times + standard())
    check(path, greys=GREYS[:6] + [grey for grey in GREYS[6:] for _ in (0, 1)][:11])


TURNS = {90: 3, 180: 2, 270: 1}  # quarter turns to the left that a player makes good


@pytest.mark.parametrize("degrees", TURNS)
def test_a_phone_held_upright_films_upright(degrees: int, tmp_path: Path) -> None:
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    coded(plain, np.ascontiguousarray(np.rot90(drawn(), degrees // 90, axes=(1, 2))[:, :, ::1]), H264)
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-display_rotation", str(-degrees), "-i", plain]
    subprocess.run([*program, "-c", "copy", turned], check=True, stdin=subprocess.DEVNULL)
    check_turned = read_clip(turned, HEIGHT, WIDTH, 8)
    assert check_turned.shape == (FRAMES, HEIGHT, WIDTH, 3)
    check(turned)


def test_a_mirrored_clip_is_seen_as_it_was(tmp_path: Path) -> None:
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    coded(plain, np.ascontiguousarray(drawn()[:, :, ::-1]), H264)
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-display_hflip", "-i", plain, "-c", "copy", turned]
    subprocess.run(program, check=True, stdin=subprocess.DEVNULL)
    check(turned)


WAYS = {
    "BT.601": (H264, standard("smpte170m"), 3), "full range": (H264, standard(spread="pc"), 3),
    "wide pixels": (H264, standard(more="scale=192:192,setsar=3/2,"), 3),
    "narrow pixels": (H264, standard(more="scale=432:192,setsar=2/3,"), 3),
    "odd sides": ([*H264[:-1], "yuv444p"], standard(more="scale=287:191,").replace("yuv420p", "yuv444p"), 3),
    "odd sides in 4:2:0": (["libvpx-vp9", "-crf", "4"], standard(more="scale=287:191,"), 3),
    "4:2:2 of 10 bits": (["libx264", "-crf", "4"], standard().replace("yuv420p", "yuv422p10le"), 3),
    "interlaced": ([*H264, "-flags", "+ildct+ilme", "-x264opts", "tff=1"], standard() + ",setfield=tff", 3),
    "PQ": (["libx265", "-crf", "4"], "HDR smpte2084", 25), "HLG": (["libx265", "-crf", "4"], "HDR arib-std-b67", 25),
}  # fmt: skip


@pytest.mark.parametrize("sound", [False, True], ids=["silent", "with sound"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_store_a_picture_looks_the_same(way: str, sound: bool, tmp_path: Path) -> None:
    codec, filters, off = WAYS[way]
    path = tmp_path / "clip.mkv"
    if filters.startswith("HDR "):
        filters = (
            "format=gbrp,setparams=colorspace=gbr:color_primaries=bt709:color_trc=bt709:range=pc,"
            "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt2020,"
            f"zscale=t={filters[4:]}:m=bt2020nc:r=limited:npl=203,format=yuv420p10le"
        )
    coded(path, drawn(), codec, filters, sound="flac" if sound else "")
    check(path, off)


def test_what_is_transparent_is_black_whatever_it_hides(tmp_path: Path) -> None:
    for name, codec, look in (
        ("vp9.webm", ["libvpx-vp9", "-crf", "4"], "yuva420p"),
        ("vp8.webm", ["libvpx", "-crf", "4", "-b:v", "4M", "-auto-alt-ref", "0"], "yuva420p"),
        ("prores.mov", ["prores_ks", "-profile:v", "4444"], "yuva444p10le"),
    ):
        left = "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(X,144),0,255)',"
        coded(tmp_path / name, drawn(), codec, left + standard().replace("yuv420p", look))
        frame = read_clip(tmp_path / name, HEIGHT, WIDTH, 8)[0].astype(int)
        assert frame[12, 12].max() <= 3 and np.abs(frame[12, 132] - COLOURS[12, 132]).max() <= 4, name


@pytest.mark.parametrize("codec", ["utvideo", "huffyuv", "cinepak"])
def test_of_another_codec_it_is_said_that_it_is_not_read(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    coded(path, drawn(), [codec], "format=rgb24" if codec == "cinepak" else standard().replace("yuv420p", "yuv422p"))
    with pytest.raises(ThroughlineError, match=rf"'clip\.avi' uses the codec {codec}, which is not read: expected H"):
        read_clip(path, HEIGHT, WIDTH, 8)


def test_what_hap_leaves_transparent_is_black(tmp_path: Path) -> None:
    left = "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(X,144),0,255)'"
    coded(tmp_path / "hap.mov", drawn(), ["hap", "-format", "hap_alpha"], left)
    frame = read_clip(tmp_path / "hap.mov", HEIGHT, WIDTH, 8)[0].astype(int)
    assert frame[12, 12].max() <= 3 and np.abs(frame[12, 132] - COLOURS[12, 132]).max() <= 4
