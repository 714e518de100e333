"""Joining clips, and words under their frames."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from storyboard.document.story import Seam
from storyboard.export import captions, transitions

RATE = 8.0
SEAMS = st.builds(Seam, kind=st.sampled_from(["cut", "cross-fade", "dip to black"]), seconds=st.floats(0.01, 5))


def clip(frames: int, value: int = 200, height: int = 2, width: int = 3) -> np.ndarray:
    return np.full((frames, height, width, 3), value, np.uint8)


def joined(clips: Sequence[np.ndarray], *seams: Seam) -> np.ndarray:
    return np.stack(list(transitions.join(clips, [Seam(), *seams], RATE)))


def values(film: np.ndarray) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in film]


@given(st.lists(st.tuples(st.integers(1, 20), SEAMS), max_size=8), st.sampled_from([1.0, 8.0, 12.5, 30.0]))
def test_length_and_marks_agree_with_the_film(shots: list[tuple[int, Seam]], rate: float) -> None:
    lengths, seams = [length for length, _ in shots], [seam for _, seam in shots]
    film = list(transitions.join([clip(length, 10 + 20 * i) for i, length in enumerate(lengths)], seams, rate))
    marks = transitions.scene_marks(lengths, seams, rate)
    assert len(film) == transitions.film_length(lengths, seams, rate)
    assert len(marks) == len(lengths) and marks == sorted(set(marks)), "every scene begins after the one before"
    assert marks[:1] == [0.0][: len(marks)]
    assert all(round(mark * rate) < len(film) for mark in marks)


@given(st.lists(st.tuples(st.integers(1, 20), SEAMS), min_size=1, max_size=6))
def test_each_clip_is_seen_from_its_mark_and_no_earlier(shots: list[tuple[int, Seam]]) -> None:
    """Clip i alone is light in channel i: the film is light there exactly while the clip is in it."""
    clips = []
    for i, (length, _) in enumerate(shots):
        frames = np.zeros((length, 1, 2, 3), np.uint8)
        frames.reshape(length, 6)[:, i] = 255
        clips.append(frames)
    lengths, seams = [length for length, _ in shots], [seam for _, seam in shots]
    film = np.stack(list(transitions.join(clips, seams, RATE))).reshape(-1, 6)
    for i, start in enumerate(transitions.scene_starts(lengths, seams, RATE)):
        lit = np.flatnonzero(film[:, i])
        dips = i + 1 < len(shots) and shots[i + 1][1].kind == "dip to black"
        assert (lit[0] if len(lit) else start) == start
        assert len(lit) in ((lengths[i], lengths[i] - 1) if dips else (lengths[i],)), "a dip ends in one black frame"


def test_a_cut_shows_every_frame_as_it_is() -> None:
    rng = np.random.default_rng(0)
    clips = [rng.integers(0, 256, (count, 2, 3, 3), dtype=np.uint8) for count in (3, 1, 5)]
    assert np.array_equal(joined(clips, Seam(), Seam()), np.concatenate(clips))


def test_a_cross_fade_goes_over_evenly() -> None:
    film = joined([clip(8, 0), clip(8, 100)], Seam(kind="cross-fade", seconds=0.5))
    assert values(film) == [0] * 4 + [20, 40, 60, 80] + [100] * 4


def test_a_dip_goes_through_black() -> None:
    film = joined([clip(8, 120), clip(8, 90)], Seam(kind="dip to black", seconds=0.5))
    assert values(film) == [120] * 6 + [60, 0, 30, 60] + [90] * 6
    assert transitions.scene_marks([8, 8], [Seam(), Seam(kind="dip to black", seconds=0.5)], RATE) == [0, 1]


@pytest.mark.parametrize("kind", ["cross-fade", "dip to black"])
def test_a_seam_longer_than_its_clips_is_shortened(kind: str) -> None:
    long = Seam(kind=kind, seconds=5)
    film = joined([clip(40, 100), clip(4, 200), clip(40, 100)], long, long)
    assert 200 not in values(film)[:1] and max(values(film)) > 100, "the clip between two long seams is still seen"
    assert values(joined([clip(1, 100), clip(1, 200)], long)) == [100, 200], "one frame has no half: a cut"


def test_the_first_seam_is_ignored() -> None:
    fade = Seam(kind="dip to black", seconds=1)
    assert values(np.stack(list(transitions.join([clip(4)], [fade], RATE)))) == [200] * 4


def test_two_clips_are_held_at_a_time() -> None:
    asked: list[int] = []

    def clips():
        for number in range(100):
            asked.append(number)
            yield clip(4)

    film = transitions.join(clips(), [Seam()] * 100, RATE)
    next(film)
    assert len(asked) <= 2


def test_clips_of_two_sizes_are_refused() -> None:
    with pytest.raises(ThroughlineError, match="clip 2 is 5 x 2 pixels: expected 3 x 2"):
        joined([clip(4), clip(4, width=5)], Seam())


# --- captions --------------------------------------------------------------------------------------------------------


@given(st.text(max_size=300), st.integers(60, 400), st.integers(1, 4))
def test_lines_fit(text: str, width: int, most: int) -> None:
    font = captions.Typeface().at(14)
    lines = captions.wrapped(text, font, width, most)
    assert len(lines) <= most
    assert all(font.getlength(line) <= width + 1 for line in lines)


@given(st.lists(st.from_regex(r"[a-z]{1,40}", fullmatch=True), max_size=30))
def test_no_letter_is_lost_while_there_is_room(words: list[str]) -> None:
    lines = captions.wrapped("  ".join(words), captions.Typeface().at(14), 120, 1000)
    assert "".join(lines).replace(" ", "") == "".join(words)


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    lines = captions.wrapped("one two three four five six seven, " * 9, captions.Typeface().at(14), 120, 2)
    assert len(lines) == 2 and lines[1].endswith("...") and not lines[1].endswith(",...")


def test_scripts_without_spaces_are_broken_too() -> None:
    lines = captions.wrapped("雪地上的猫在跑步" * 4, captions.Typeface().at(14), 60, 100)
    assert len(lines) > 3 and "".join(lines) == "雪地上的猫在跑步" * 4


def test_plain_english_looks_the_same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "FOLDERS", ("/no/such/folder",))
    assert captions.typeface_for(["Mia, a girl in a red coat, rides a bicycle."]).file is None
    assert captions.typeface_for(["Zoé"]).lacks("Zoé") == 1, "no font of the system: its own, with a box for é"


def test_a_font_of_the_system_draws_what_the_own_one_lacks() -> None:
    if not captions._system_fonts(captions.FOLDERS):
        pytest.skip("the system has none of the fonts")
    assert captions.typeface_for(["Zoé läuft"]).lacks("Zoé läuft") == 0


def test_captions_change_with_the_scenes_and_leave_the_pictures_alone() -> None:
    strips = captions.caption_strips([(1, "A dog runs."), (2, "A cat dances on the snow. " * 8)], 144)
    assert strips[0].shape == strips[1].shape and strips[0].shape[0] % 2 == 0 and strips[0].shape[1] == 144
    assert not np.array_equal(*strips)
    film = list(captions.captioned(clip(5, 7, 20, 144), [0, 3], strips))
    assert all(np.array_equal(frame[:20], clip(1, 7, 20, 144)[0]) for frame in film)
    assert [np.array_equal(frame[20:], strips[1]) for frame in film] == [False] * 3 + [True] * 2


def test_captions_are_ink_on_paper() -> None:
    (strip,) = captions.caption_strips([(3, "The robot is skiing on the snow.")], 576)
    dark = (strip.astype(int).sum(-1) < 250).mean()
    red = (strip[..., 0].astype(int) - strip[..., 2] > 120).sum()
    assert strip[0, 0].tolist() == [251, 248, 242]
    assert 0.005 < dark < 0.2 and red > 5, "words in ink, the number in vermilion"
    (bare,) = captions.caption_strips([(3, "")], 576)
    assert (bare.astype(int).sum(-1) < 250).mean() == 0
