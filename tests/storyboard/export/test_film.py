"""What leaves the studio: films, clips and contact sheets, made of a small story that the picture book drew."""

import random
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ThroughlineError
from pipeline.picturebook.renderer import render
from pipeline.picturebook.world import abba_story
from storyboard.document import edits
from storyboard.document.story import Board, KeyframeChoice, Take
from storyboard.export import contact_sheet, film
from storyboard.export.contact_sheet import Panel
from storyboard.media import video
from storyboard.media.video import read_clip
from storyboard.store.blobs import BlobStore
from storyboard.store.clips import keep_frames
from storyboard.store.files import whole_file
from storyboard.store.finished import FinishedClip

FRAMES = 5
PROMPTS = ["Mia is running.", "Tom is skiing.", "Tom is running.", "Mia is skiing."]


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    """Frames of four takes, uint8 (5, 96, 144, 3)."""
    scenes = abba_story(5, "test").scenes
    return {f"take{i}": render(scene, num_frames=FRAMES, masks=False).frames for i, scene in enumerate(scenes)}


def take_of(take_id: str, scene: str, frames: np.ndarray, rate: float = 8) -> Take:
    count, height, width, _ = frames.shape
    files = dict.fromkeys(("clip", "preview", "keyframe"), "0" * 64)
    return Take(
        id=take_id,
        scene=scene,
        **files,
        keyframe_index=count // 2,
        num_frames=count,
        width=width,
        height=height,
        frames_per_second=rate,
    )


@pytest.fixture
def board(drawn: dict[str, np.ndarray]) -> Board:
    """Four scenes; the third one has no take."""
    story, shelf = edits.new_story("Mia & Tom", PROMPTS), {}
    for i, scene in enumerate(story.scenes):
        if i != 2:
            shelf[f"take{i}"] = take_of(f"take{i}", scene.id, drawn[f"take{i}"])
            story = edits.choose_take(story, scene.id, f"take{i}")
    return Board(story, shelf)


@pytest.fixture
def frames_of(drawn: dict[str, np.ndarray]):
    return lambda take: drawn[take.id]


def seamed(board: Board, *kinds: str) -> Board:
    story = board.story
    for scene, kind in zip(story.scenes, kinds, strict=False):
        story = edits.edit_scene(story, scene.id, seam={"kind": kind, "seconds": 0.25})
    return replace(board, story=story)


def shape_of(path: Path) -> tuple[int, tuple[int, int], float]:
    """Frames, size and rate."""
    reader = imageio_ffmpeg.read_frames(str(path))
    header = next(reader)
    reader.close()
    return imageio_ffmpeg.count_frames_and_secs(str(path))[0], header["size"], header["fps"]


def test_a_film_has_its_scenes_with_takes_one_after_the_other(board: Board, frames_of, drawn, tmp_path: Path) -> None:
    film.film_mp4(tmp_path / "a.mp4", board, frames_of)
    assert shape_of(tmp_path / "a.mp4") == (3 * FRAMES, (576, 384), 8)
    back = read_clip(tmp_path / "a.mp4", 96, 144, 8)
    wanted = np.concatenate([drawn["take0"], drawn["take1"], drawn["take3"]])
    assert np.abs(back.astype(float) - wanted).mean(axis=(1, 2, 3)).max() < 6
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"], "nothing is left beside it"


def test_a_film_is_as_long_as_its_cut_says(board: Board, frames_of, tmp_path: Path) -> None:
    board = seamed(board, "cut", "cross-fade", "cut", "dip to black")
    film.film_mp4(tmp_path / "a.mp4", board, frames_of)
    cut = film.cut_of(board)
    assert shape_of(tmp_path / "a.mp4")[0] == round(cut.seconds * 8) == 3 * FRAMES - 2
    assert list(cut.marks.values()) == [0, 3 / 8, 8 / 8]
    assert [shot.number for shot in cut.shots] == [1, 2, 4]


def test_captions_lie_under_the_pictures(board: Board, frames_of, tmp_path: Path) -> None:
    captioned = replace(board, story=edits.edit_story(board.story, captions=True))
    film.film_mp4(tmp_path / "a.mp4", captioned, frames_of)
    count, (width, height), _ = shape_of(tmp_path / "a.mp4")
    assert (count, width) == (3 * FRAMES, 576) and 384 + 30 < height < 384 + 120
    frame = read_clip(tmp_path / "a.mp4", height, width, 8)[0].astype(int)
    assert np.abs(frame[384 + 4] - (251, 248, 242)).max() < 12, "paper"
    assert (frame[384:].sum(-1) < 300).sum() > 100, "ink"


def test_takes_of_another_shape_and_rate_are_made_to_fit(board: Board, frames_of, drawn, tmp_path: Path) -> None:
    wide = np.repeat(drawn["take1"], 2, axis=2)[:, :80]  # 288 x 80
    odd = take_of("wide", board.story.scenes[1].id, wide, rate=16)
    story = edits.choose_take(board.story, odd.scene, "wide")
    board = Board(story, {**board.takes, "wide": odd})
    film.film_mp4(tmp_path / "a.mp4", board, lambda take: wide if take.id == "wide" else drawn[take.id])
    assert shape_of(tmp_path / "a.mp4") == (10 + 5 + 10, (576, 384), 16), "each lasts as long as it did"


@pytest.mark.parametrize(("rate", "count"), [(32, 60), (24, 45), (4, 6)])
def test_a_film_at_another_rate_lasts_as_long(board: Board, frames_of, drawn, tmp_path: Path, rate, count) -> None:
    quick = replace(board, story=edits.edit_film(board.story, rate=rate))
    film.film_mp4(tmp_path / "a.mp4", *film.at_film_rate(quick, frames_of, frames_of))
    assert shape_of(tmp_path / "a.mp4") == (count, (576, 384), rate)
    back = read_clip(tmp_path / "a.mp4", 96, 144, rate)
    if rate > 8:
        assert np.abs(back[:: rate // 8].astype(float) - shown(drawn)).mean((1, 2, 3)).max() < 6, "given frames stay"


def test_pictures_of_another_size_are_shown_again_instead(board: Board, frames_of, drawn, tmp_path: Path) -> None:
    large = np.repeat(np.repeat(drawn["take0"], 2, 1), 2, 2)
    own = take_of("large", board.story.scenes[0].id, large)
    story = edits.edit_film(edits.choose_take(board.story, own.scene, "large"), rate=16)
    board, frames = film.at_film_rate(Board(story, {"large": own}), lambda take: large, lambda take: large)
    assert board.takes["large"].frames_per_second == 8 and np.array_equal(np.stack(list(frames(own))), large)


def shown(drawn: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([drawn["take0"], drawn["take1"], drawn["take3"]])


def test_odd_shapes_make_films_too(frames_of, drawn, tmp_path: Path) -> None:
    story = edits.new_story("odd", ["A cat."], width=601, height=99)
    story = edits.choose_take(story, story.scenes[0].id, "take0")
    board = Board(story, {"take0": take_of("take0", story.scenes[0].id, drawn["take0"])})
    film.film_mp4(tmp_path / "a.mp4", board, frames_of)
    assert shape_of(tmp_path / "a.mp4")[1] == (600, 98)


def test_a_gif_moves_for_ever(board: Board, frames_of, drawn, tmp_path: Path) -> None:
    film.film_gif(tmp_path / "a.gif", board, frames_of)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.format, gif.size, gif.n_frames, gif.info["loop"]) == ("GIF", (432, 288), 3 * FRAMES, 0)
        gif.seek(7)
        small = np.asarray(gif.convert("RGB").resize((144, 96))).astype(float)
    assert np.abs(small - drawn["take1"][2]).mean() < 8
    assert (tmp_path / "a.gif").stat().st_size < 60_000 * 3 * FRAMES


@pytest.mark.parametrize("make", [film.film_mp4, film.film_gif, film.clips_zip])
def test_a_story_without_a_take_has_no_film(make, tmp_path: Path) -> None:
    board = Board(edits.new_story("Nothing yet", PROMPTS))
    with pytest.raises(ThroughlineError, match="'Nothing yet' has no clip yet"):
        make(tmp_path / "a.mp4", board, lambda take: pytest.fail("nothing to read"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [film.film_mp4, film.film_gif, film.clips_zip, film.sheet_pdf])
def test_a_clip_that_fails_leaves_the_old_file_as_it_was(make, board: Board, drawn, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")

    def damaged(take: Take) -> np.ndarray:
        if take.id == "take3":
            raise ThroughlineError("clip is damaged")
        return drawn[take.id]

    with pytest.raises(ThroughlineError, match="damaged"):
        make(path, board, damaged)
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


def test_clips_come_numbered_with_their_prompts(board: Board, frames_of, tmp_path: Path) -> None:
    film.clips_zip(tmp_path / "a.zip", seamed(board, "cut", "cross-fade"), frames_of)
    with zipfile.ZipFile(tmp_path / "a.zip") as bundle:
        assert bundle.namelist() == ["scene-01.mp4", "scene-02.mp4", "scene-04.mp4", "prompts.txt"]
        text = bundle.read("prompts.txt").decode()
        bundle.extract("scene-02.mp4", tmp_path)
    assert all(prompt in text for prompt in PROMPTS) and "03 (no clip yet)\nTom is running." in text
    assert shape_of(tmp_path / "scene-02.mp4") == (FRAMES, (576, 384), 8), "whole, without the seam"


# --- contact sheet ---------------------------------------------------------------------------------------------------


def is_blank(picture: Image.Image) -> bool:
    return all(darkest == lightest for darkest, lightest in picture.getextrema())


def test_the_sheet_has_a_panel_a_scene(board: Board, frames_of, drawn) -> None:
    found = film.panels(seamed(board, "dip to black", "cross-fade"), frames_of)
    assert [panel.number for panel in found] == [1, 2, 3, 4]
    assert [panel.seconds for panel in found] == [0, 3 / 8, None, 1]
    assert [panel.seam for panel in found] == ["", "cross-fade 0.25 s", "", ""], "the first one follows nothing"
    assert [panel.picture is None for panel in found] == [False, False, True, False]
    shown = np.asarray(found[1].picture.resize((144, 96))).astype(float)
    assert np.abs(shown - drawn["take1"][2]).mean() < 3


def test_the_sheet_shows_the_keyframe_that_was_chosen(board: Board, frames_of, drawn) -> None:
    scene = board.story.scenes[0]
    choice = KeyframeChoice(take="take0", index=4, keyframe="1" * 64)
    scenes = (scene.model_copy(update={"keyframes": (choice,)}), *board.story.scenes[1:])
    board = replace(board, story=board.story.model_copy(update={"scenes": scenes}))
    picture = np.asarray(film.panels(board, frames_of)[0].picture.resize((144, 96))).astype(float)
    off = [np.abs(picture - frame).mean() for frame in drawn["take0"]]
    assert off.index(min(off)) == 4


@pytest.mark.parametrize("scenes, columns", [(0, 3), (1, 3), (12, 3), (13, 4), (33, 6)])
def test_one_sheet_holds_every_scene(scenes: int, columns: int) -> None:
    panels = [Panel(i + 1, "A cat is running on the snow.", None, None) for i in range(scenes)]
    sheet = contact_sheet.contact_sheet("Cats", "", panels)
    rows = max(1, -(-scenes // columns))
    width, height = contact_sheet.PICTURE
    assert sheet.width > columns * width and sheet.height > rows * height
    left = contact_sheet.MARGIN
    for i in range(rows * columns):
        x = left + i % columns * (width + contact_sheet.GAP)
        y = contact_sheet.HEADER + 10 + i // columns * (contact_sheet.PANEL_HEIGHT + contact_sheet.GAP)
        box = (x, y, x + width, y + contact_sheet.PANEL_HEIGHT)
        assert is_blank(sheet.crop(box)) == (i >= scenes)
    assert is_blank(sheet.crop((0, sheet.height - 40, sheet.width, sheet.height))), "the last row is whole"


def test_pages_hold_six_panels_each() -> None:
    panels = [Panel(i + 1, "word " * 400, Image.new("RGB", (20, 90), "red"), i * 61.0, "cut") for i in range(13)]
    pages = list(contact_sheet.sheet_pages("A very long title " * 20, "13 scenes", panels))
    assert [page.size for page in pages] == [contact_sheet.PAGE] * 3
    for page in pages:
        width, height = page.size
        for edge in (
            (0, 0, width, 20),
            (0, height - 20, width, height),
            (0, 0, 80, height),
            (width - 80, 0, width, height),
        ):
            assert is_blank(page.crop(edge)), "margins stay free, whatever the words"


def test_files_of_the_sheet(board: Board, frames_of, tmp_path: Path) -> None:
    for _ in range(5):
        board = replace(board, story=edits.add_scene(board.story, prompt="A robot dances."))
    film.sheet_png(tmp_path / "a.png", board, frames_of)
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.format == "PNG" and sheet.getpixel((2, 2)) == (251, 248, 242)
    film.sheet_pdf(tmp_path / "a.pdf", board, frames_of)
    content = (tmp_path / "a.pdf").read_bytes()
    assert content.startswith(b"%PDF") and re.findall(rb"/Count (\d+)", content)[-1] == b"2"
    assert b"841.9" in content, "A4 across, in points"


@pytest.mark.parametrize("seconds, words", [(0, "0:00.0"), (2.125, "0:02.1"), (59.96, "1:00.0"), (754.3, "12:34.3")])
def test_marks_are_told_in_minutes_and_tenths(seconds: float, words: str) -> None:
    assert contact_sheet.mark_words(seconds) == words


# --- into the media --------------------------------------------------------------------------------------------------


def test_every_format_goes_into_the_media(drawn, tmp_path: Path) -> None:
    media, story = BlobStore(tmp_path / "media"), edits.new_story("Kept", PROMPTS[:1])
    scene = story.scenes[0].id
    take = Take(id="kept", scene=scene, **keep_frames(media, drawn["take0"], 8))
    board = Board(edits.choose_take(story, scene, "kept"), {"kept": take})
    finished = {"kept": FinishedClip(take.clip, take.width, take.height, take.num_frames, 8)}
    with pytest.raises(ThroughlineError, match="scene 1 is not finished: expected that it is, before the film"):
        film.export(board, media, "finished.mp4")
    for format in film.FORMATS:
        digest, suffix = film.export(board, media, format, finished=finished)
        assert suffix == format.rpartition(".")[2] and media.path(digest, suffix).stat().st_size > (
            40 if suffix in ("srt", "vtt") else 1000
        )
    with pytest.raises(ThroughlineError, match=r"format is 'avi': expected one of mp4, finished\.mp4, gif"):
        film.export(board, media, "avi")


# --- frames one by one -----------------------------------------------------------------------------------------------


def test_frames_may_come_one_by_one(drawn, tmp_path: Path) -> None:
    video.write_video(tmp_path / "all.mp4", drawn["take0"], 8)
    video.write_video(tmp_path / "one.mp4", iter(drawn["take0"]), 8)
    assert np.array_equal(*(read_clip(tmp_path / name, 96, 144, 8) for name in ("all.mp4", "one.mp4")))


def test_a_film_without_frames_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match=r"film 'none.mp4' has no frames"):
        video.write_video(tmp_path / "none.mp4", iter(()), 8)


def test_a_generator_that_fails_is_no_film(drawn, tmp_path: Path) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield from drawn["take0"]
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"), whole_file(tmp_path / "a.mp4") as part:
        video.write_video(part, frames(), 8)
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyError, match="no more"):
        video.write_video(tmp_path / "b.mp4", frames(), 8)
    with pytest.raises(ThroughlineError):
        video.check_clip(tmp_path / "b.mp4")  # what was begun does not pass for a film


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the machine has no /dev/full")
def test_a_full_disk_ends_a_long_film_with_an_os_error() -> None:
    noise = random.Random(0).randbytes(96 * 144 * 3)
    frame = np.frombuffer(noise, np.uint8).reshape(96, 144, 3)
    with pytest.raises(OSError, match="No space left"):
        video.write_video(Path("/dev/full"), (np.roll(frame, i, 1) for i in range(200)), 8)
