"""Pictures that users bring: upright, in their colours, over black; animated ones as clips."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ThroughlineError
from storyboard.media.fit import FILL, Fit
from storyboard.media.images import read_still
from storyboard.media.importing import read_any
from tests.storyboard.media.test_matrix import COLOURS, GREYS, drawn


def check(frame: np.ndarray, off: int = 3) -> None:
    for (y, x), colour in COLOURS.items():
        assert np.abs(frame[y, x].astype(int) - colour).max() <= off, f"at {x}, {y}: {frame[y, x]}, not {colour}"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.avif"])
def test_a_picture_is_a_still_as_long_as_a_scene(name: str, tmp_path: Path) -> None:
    Image.fromarray(drawn()[0]).save(tmp_path / name, quality=95)
    frames = read_any(tmp_path / name, 96, 144, 8, 17)
    assert frames.shape == (17, 96, 144, 3) and (frames == frames[0]).all()
    check(frames[0])


TURNED = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 6: "ROTATE_90", 8: "ROTATE_270"}  # by EXIF's number


@pytest.mark.parametrize("orientation", TURNED)
def test_a_photograph_is_as_the_camera_was_held(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(drawn()[0]).transpose(Image.Transpose[TURNED[orientation]]).save(
        tmp_path / "a.jpg", exif=exif, quality=95
    )
    check(read_still(tmp_path / "a.jpg", 96, 144))


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.avif", "a.gif"])
def test_an_animated_picture_is_a_clip(name: str, tmp_path: Path) -> None:
    first, *rest = map(Image.fromarray, drawn())
    lossless = {"lossless": True} if name == "a.webp" else {}
    first.save(tmp_path / name, save_all=True, append_images=rest, duration=125, **lossless)
    frames = read_any(tmp_path / name, 96, 144, 8, 17)
    found = frames[:, 48, 72, 0].astype(int)
    assert len(frames) == len(GREYS) and np.abs(found - GREYS).max() <= (3 if name != "a.gif" else 8)


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    alpha = np.where(np.arange(288) < 144, 0, 255).astype(np.uint8)[None].repeat(192, 0)
    Image.fromarray(np.dstack([drawn()[0], alpha])).save(tmp_path / "a.png")
    frame = read_still(tmp_path / "a.png", 96, 144)
    assert not frame[:, :66].any() and np.abs(frame[12, 132].astype(int) - COLOURS[12, 132]).max() <= 1


def test_sixteen_bits_of_grey_are_no_white(tmp_path: Path) -> None:
    Image.fromarray(np.full((192, 288), 128 * 257, np.uint16)).save(tmp_path / "a.png")
    assert np.abs(read_still(tmp_path / "a.png", 96, 144).astype(int) - 128).max() <= 1


def test_a_picture_of_another_shape_gets_bars_or_is_cut_where_one_says(tmp_path: Path) -> None:
    Image.fromarray(drawn()[0]).save(tmp_path / "a.png")
    fitted, cut = read_still(tmp_path / "a.png", 96, 96), read_still(tmp_path / "a.png", 96, 96, FILL)
    assert not fitted[:15].any() and not fitted[-15:].any() and fitted[20, 5, 0] > 190
    assert cut[5, 5, 0] > 190 and cut[5, 90, 1] > 170
    assert (read_still(tmp_path / "a.png", 96, 96, Fit("fill", across=0))[5, :70, 0] > 190).all(), "the left is kept"
    assert read_still(tmp_path / "a.png", 96, 96, Fit("stretch"))[5, 5, 0] > 190


def test_what_is_not_read_too_large_and_damaged_are_three_things(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    Image.new("1", (9000, 9000)).save(tmp_path / "large.png")
    Image.fromarray(drawn()[0]).save(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:120])
    for name, told in (("a.heic", "not read"), ("large.png", "at most"), ("broken.png", "is damaged")):
        with pytest.raises(ThroughlineError, match=told) as caught:
            read_any(tmp_path / name, 96, 144, 8, 17)
        assert str(tmp_path) not in str(caught.value) and repr(name) in str(caught.value)
