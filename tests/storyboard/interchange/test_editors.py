"""The film for editing programs: the same cuts, in order and to the frame, when libraries read them back."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import imageio_ffmpeg
import numpy as np
import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Board
from storyboard.film.cut import Passage
from storyboard.film.picture import film_frames
from storyboard.interchange import editors, formats
from storyboard.interchange.fcpxml import fcpxml, seconds
from storyboard.interchange.timeline import conformed, timeline_of

from .boards import KINDS, NASTY, SCRIPT, TITLE, board_of, kept_board

SIZE = (576, 384)
RATES = (8, 12, 23.976, 24, 25, 29.97, 30, 60, 90)
Shown = dict[int, tuple[str, int]]  # by frame of the timeline: a clip, and the frame of its file


def shown(track: Any) -> Shown:
    """What is seen in each frame of a track that is no part of a transition; black is not listed."""
    found: Shown = {}
    mixed, place = set[int](), 0
    for item in track:
        if isinstance(item, otio.schema.Transition):
            mixed |= set(range(round(place - item.in_offset.value), round(place + item.out_offset.value)))
            continue
        start, length = (round(time.value) for time in (item.source_range.start_time, item.source_range.duration))
        if isinstance(item, otio.schema.Clip) and item.name != "Black":
            found |= {place + frame: (item.name.removesuffix(".mp4"), start + frame) for frame in range(length)}
        place += length
    return {frame: what for frame, what in found.items() if frame not in mixed}


def in_the_film(board: Board) -> Shown:
    """The same by the film's own cut, which has seams in frames of each part."""
    found, shown = conformed(board), Shown()
    cut, factor = found.cut, found.factor
    seams = [*cut.passages, Passage(0, 0, 0)]
    for part, start, length, before, after in zip(
        cut.parts, cut.part_starts, cut.part_lengths, seams[:-1], seams[1:], strict=True
    ):
        for frame in range(before.into * factor, (length - after.out) * factor):
            shown[start * factor + frame] = (found.name(part), frame)
    return shown


def edited(board: Board, shots: list[dict[str, float]], cards: list[str]) -> Board:
    """A board whose scenes are trimmed, sped up and held, with words before and after them."""
    story = board.story
    for scene, shot in zip(story.scenes, shots, strict=False):
        story = edits.edit_shot(story, scene.id, **shot)
    dip = {"kind": "dip to black", "seconds": 0.5}
    title, end = ({"text": text, "seconds": 1.5, "seam": dip} for text in cards)
    return Board(edits.edit_film(story, title=title, end=end), board.takes)


shots = st.fixed_dictionaries({
    "skip": st.sampled_from([0.0, 0.25, 3.0]), "cut": st.sampled_from([0.0, 0.4]),
    "speed": st.sampled_from([0.5, 1.0, 1.7]), "hold": st.sampled_from([0.0, 1.25]),
})  # fmt: skip
plain = st.builds(
    board_of,
    st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(any),
    st.permutations(KINDS),
    st.sampled_from([0.01, 0.1, 0.25, 0.5, 1, 5]),
    st.sampled_from(RATES),
)
words = st.lists(st.sampled_from(["", "Snow", "The end"]), min_size=2, max_size=2)
boards = st.builds(edited, plain, st.lists(shots, max_size=5), words)


@given(boards)
@settings(max_examples=60, deadline=None)
def test_the_timeline_shows_what_the_film_shows(board: Board) -> None:
    timeline = timeline_of(board)
    assert shown(timeline.tracks[0]) == in_the_film(board)
    found = conformed(board)
    assert timeline.duration().value == found.cut.frames * found.factor
    for clip in timeline.find_clips():
        assert clip.source_range.clamped(clip.available_range()) == clip.source_range, "no clip is longer than its file"


def read_otio(text: str, rate: int) -> Any:
    return otio.adapters.read_from_string(text, "otio_json")


def read_fcp7(text: str, rate: int) -> Any:
    return otio.adapters.read_from_string(text, "fcp_xml")


def read_edl(text: str, rate: int) -> Any:
    return otio.adapters.read_from_string(text, "cmx_3600", rate=rate)


def read_fcpxml(text: str, rate: int) -> Any:
    """By the adapter, which knows no transitions; those are put in by their offsets."""
    (timeline,) = otio.adapters.read_from_string(text, "fcpx_xml").find_children(
        descended_from_type=otio.schema.Timeline
    )
    track = timeline.tracks[0]
    starts = [round(track.range_of_child_at_index(index).start_time.value) for index in range(len(track))]
    for element in reversed(list(ElementTree.fromstring(text).iter("transition"))):
        start, length = (frames_of(element.attrib[name], rate) for name in ("offset", "duration"))
        index = next(index for index, cut in enumerate(starts) if start <= cut <= start + length and cut)
        offsets = (
            otio.opentime.RationalTime(value, rate) for value in (starts[index] - start, start + length - starts[index])
        )
        track.insert(index, otio.schema.Transition("", "", *offsets))
    return timeline


def frames_of(time: str, rate: int) -> int:
    above, _, below = time.removesuffix("s").partition("/")
    return round(int(above) * rate / int(below or 1))


READERS = {"otio.zip": read_otio, "fcp7.zip": read_fcp7, "edl.zip": read_edl, "fcpxml.zip": read_fcpxml}


@pytest.mark.parametrize("kind", READERS)
@given(boards)
@settings(max_examples=25, deadline=None)
def test_a_library_reads_the_same_cuts_to_the_frame(kind: str, board: Board) -> None:
    _, write = editors.WRITERS[kind]
    back = READERS[kind](write(timeline_of(board), SIZE), conformed(board).rate)
    assert len(back.tracks) == 1
    assert shown(back.tracks[0]) == in_the_film(board)


@pytest.mark.parametrize("kind", READERS)
def test_dissolves_are_read_back_where_they_were(kind: str) -> None:
    board = board_of([9, 9, 9, 9], ["cut", "cross-fade", "dip to black", "cross-fade"])
    _, write = editors.WRITERS[kind]
    track = READERS[kind](write(timeline_of(board), SIZE), 24).tracks[0]
    assert [round(span) for span in dissolves(track)] == [12, 3, 6, 12], "a dip is a fade out, black and a fade in"


def dissolves(track: Any) -> Iterator[float]:
    for item in track:
        if isinstance(item, otio.schema.Transition):
            yield item.in_offset.value + item.out_offset.value


def test_otio_keeps_prompts_seeds_and_the_script() -> None:
    board = board_of([5, 0, 5], seed=7, steps=12)
    back = read_otio(editors.write_otio(timeline_of(board), SIZE), 24)
    assert (back.name, back.global_start_time) == (TITLE, otio.opentime.RationalTime(86400, 24))
    first, last = (clip.metadata["throughline"] for clip in back.find_clips())
    assert first["prompt"] == " ".join(f"{NASTY} 1".split()) and (first["seed"], first["steps"]) == (7, 12)
    assert (first["number"], last["number"]) == (1, 3), "numbers are those of the board"
    assert first["script"]["dialogue"][1]["text"] == SCRIPT["dialogue"][1]["text"]


def test_an_edl_begins_at_an_hour_and_has_a_reel_a_scene() -> None:
    text = editors.write_edl(timeline_of(board_of([9] * 120, ["cut"])), SIZE)
    events = re.findall(r"^\d+  (\S+) +V +C +\S+ \S+ (\S+) \S+$", text, re.MULTILINE)
    assert len(events) == 120 and events[0] == ("SCENE001", "01:00:00:00")
    assert len({reel for reel, _ in events}) == 120 and max(len(reel) for reel, _ in events) <= 8


def test_fcpxml_is_a_library_with_a_format_and_assets() -> None:
    text = fcpxml(timeline_of(board_of([5, 5])), SIZE)
    root = ElementTree.fromstring(text)
    assert root.attrib["version"] == "1.10" and "<!DOCTYPE fcpxml>" in text
    assert root.find("resources/format").attrib == {
        "id": "r1",
        "width": "576",
        "height": "384",
        "frameDuration": "1/24s",
    }  # type: ignore[union-attr]
    assets = {asset.attrib["id"] for asset in root.iter("asset")}
    assert {clip.attrib["ref"] for clip in root.iter("asset-clip")} == assets and len(assets) == 2


@pytest.mark.parametrize("value, rate, told", [(0, 24, "0s"), (48, 24, "2s"), (36, 24, "3/2s"), (5, 30, "1/6s")])
def test_times_of_fcpxml_are_fractions(value: int, rate: int, told: str) -> None:
    assert seconds(otio.opentime.RationalTime(value, rate)) == told


@pytest.mark.parametrize(
    "rate, expected", [(8, (24, 3)), (12, (24, 2)), (10, (30, 3)), (23.976, (24, 1)), (90, (60, 1))]
)
def test_the_timeline_has_a_rate_that_editors_know(rate: float, expected: tuple[int, int]) -> None:
    found = conformed(board_of([5], rate=rate))
    assert (found.rate, found.factor) == expected


@pytest.mark.parametrize("kind", READERS)
def test_a_zip_has_the_clips_that_its_timeline_names(kind: str, tmp_path: Path) -> None:
    board, media = kept_board(tmp_path / "media", [5, 0, 3])
    digest, suffix = formats.export(board, media, kind)
    assert suffix == "zip"
    with zipfile.ZipFile(media.path(digest, "zip")) as bundle:
        bundle.extractall(tmp_path / "out")
        names = sorted(bundle.namelist())
    name, _ = editors.WRITERS[kind]
    clips = ["media/scene01.mp4", "media/scene03.mp4"]
    assert names == sorted(["README.txt", name, *clips])
    assert set(re.findall(r"media/scene\d+\.mp4", (tmp_path / "out" / name).read_text("utf-8"))) == set(clips)
    for clip, length in zip(clips, (15, 9), strict=True):
        count, length_seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "out" / clip))
        assert (count, round(length_seconds * 24)) == (length, length)


def test_clips_have_the_frames_of_the_film() -> None:
    """Frame by frame what moviepy composes, but for seams."""
    board = edited(board_of([9, 9], ["cut"]), [{"skip": 0.25, "speed": 0.5, "hold": 1.0}, {"speed": 1.7}], ["Snow", ""])
    found, frames = conformed(board), np.arange(9, dtype=np.uint8)[:, None, None, None] * 20
    takes = np.broadcast_to(frames, (9, 96, 144, 3))
    film = list(film_frames(found.cut, lambda take: takes, (144, 96)))
    clips = {found.name(part): list(editors.part_frames(part, lambda take: takes, found, (144, 96)))
             for part in found.cut.parts}  # fmt: skip
    assert {name: len(clip) for name, clip in clips.items()} == dict(zip(clips, found.lengths, strict=True))
    for place, (name, frame) in in_the_film(board).items():
        assert (clips[name][frame] == film[place // found.factor]).all(), (place, name, frame)


def test_cards_are_clips_of_their_own(tmp_path: Path) -> None:
    board, media = kept_board(tmp_path / "media", [5])
    board = edited(board, [], ["Snow", "The end"])
    digest, _ = formats.export(board, media, "otio.zip")
    with zipfile.ZipFile(media.path(digest, "zip")) as bundle:
        assert {"media/title.mp4", "media/scene01.mp4", "media/end.mp4"} <= set(bundle.namelist())
        back = read_otio(bundle.read("film.otio").decode(), 24)
    assert [clip.metadata["throughline"]["prompt"] for clip in back.find_clips()][::2] == ["Snow", "The end"]


@pytest.mark.parametrize("kind", READERS)
def test_a_story_without_a_clip_has_no_timeline(kind: str, tmp_path: Path) -> None:
    board, media = kept_board(tmp_path, [0])
    with pytest.raises(ThroughlineError, match="has no clip yet: expected at least one rendered scene"):
        formats.export(board, media, kind)
