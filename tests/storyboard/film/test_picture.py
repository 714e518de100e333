"""The pictures of a film: where parts meet, what of takes is shown and how long, and how much is held in memory."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storyboard.document.story import Board, Seam
from storyboard.film.cut import cut_of
from storyboard.film.picture import film_frames
from tests.storyboard.film.cuts import board_of, clip, cut, filmed, shot

KINDS = st.sampled_from(["cut", "cross-fade", "dip to black"])
SEAMS = st.builds(Seam, kind=KINDS, seconds=st.floats(0.01, 5))
FADE = Seam(kind="cross-fade", seconds=1.0)
SHOTS = st.lists(st.tuples(st.integers(1, 20), SEAMS), min_size=1, max_size=6)


def values(film: np.ndarray) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in film]


def joined(clips: list[np.ndarray], *seams: Seam) -> np.ndarray:
    return filmed(board_of(clips, [Seam(), *seams]), clips)


def expected(lengths: list[int], seams: list[Seam], clips: list[np.ndarray]) -> np.ndarray:
    """The film by arithmetic: clips added with the share that each has in every frame."""
    plan = cut(lengths, seams)
    film = np.zeros((plan.frames, *clips[0].shape[1:]))
    for place, (start, frames) in enumerate(zip(plan.starts, clips, strict=True)):
        share, into = np.ones(len(frames)), plan.passages[place]
        share[: into.into] = np.arange(1, into.into + 1) / (into.into + 1)
        if place + 1 < len(clips):
            out = plan.passages[place + 1]
            steps = out.shared + 1 if out.shared else out.out
            share[len(frames) - out.out :] = 1 - np.arange(1, out.out + 1) / steps
        film[start : start + len(frames)] += frames * share[:, None, None, None]
    return np.rint(film)


@settings(max_examples=25, deadline=None)
@given(SHOTS, st.integers(0, 2**32 - 1))
@example([(2, Seam()), (2, FADE), (2, FADE)], 0)  # a part that is all seams
@example([(8, Seam()), (8, FADE), (8, FADE), (8, Seam(kind="dip to black"))], 0)
def test_every_frame_is_what_arithmetic_says(shots: list[tuple[int, Seam]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths, seams = [length for length, _ in shots], [seam for _, seam in shots]
    clips = [rng.integers(0, 256, (length, 2, 3, 3), dtype=np.uint8) for length in lengths]
    film = filmed(board_of(clips, seams), clips).astype(int)
    most, plan = np.zeros(len(film)), cut(lengths, seams)
    for start, seam in zip(plan.starts, plan.passages, strict=True):
        most[start - seam.out + seam.shared : start + seam.into] = 2 if seam.shared else 1
    off = np.abs(film - expected(lengths, seams, clips)).max(axis=(1, 2, 3))
    assert (off <= most).all(), (
        "cuts to the very level; dips to one of 255; cross-fades, whose masks have 8 bits, to two"
    )


@settings(max_examples=60, deadline=None)
@given(SHOTS, st.sampled_from([1.0, 8.0, 12.5, 23.976, 30.0]))
def test_length_and_marks_agree_with_the_film(shots: list[tuple[int, Seam]], rate: float) -> None:
    lengths, seams = [length for length, _ in shots], [seam for _, seam in shots]
    clips = [clip(length, 10 + 20 * place) for place, length in enumerate(lengths)]
    board = board_of(clips, seams, rate)
    plan = cut_of(board)
    assert len(filmed(board, clips)) == plan.frames
    marks = list(plan.marks.values())
    assert marks[0] == 0 and marks == sorted(set(marks)), "every scene begins after the one before"
    assert all(round(mark * rate) < plan.frames for mark in marks)


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
    assert cut([8, 8], [Seam(), Seam(kind="dip to black", seconds=0.5)]).starts == [0, 8]


@pytest.mark.parametrize("kind", ["cross-fade", "dip to black"])
def test_a_seam_longer_than_its_clips_is_shortened(kind: str) -> None:
    long = Seam(kind=kind, seconds=5)
    film = joined([clip(40, 100), clip(4, 200), clip(40, 100)], long, long)
    assert 200 not in values(film)[:1] and max(values(film)) > 100, "the clip between two long seams is still seen"
    assert values(joined([clip(1, 100), clip(1, 200)], long)) == [100, 200], "one frame has no half: a cut"


def test_the_first_seam_is_ignored() -> None:
    fade = Seam(kind="dip to black", seconds=1)
    assert values(filmed(board_of([clip(4)], [fade]), [clip(4)])) == [200] * 4


# --- what is held ----------------------------------------------------------------------------------------------------


def test_two_takes_are_open_at_a_time_and_each_is_read_once_as_it_is_shown() -> None:
    clips = [clip(9, 10 + place) for place in range(40)]
    seams = [Seam(kind=kind, seconds=0.25) for kind in ("cut", "cross-fade", "dip to black", "cross-fade")] * 10
    now_open, most, read = set[str](), list[int](), list[str]()

    def frames_of(take) -> Iterator[np.ndarray]:
        now_open.add(take.id)
        most.append(len(now_open))
        try:
            for frame in clips[int(take.id)]:
                read.append(take.id)
                yield frame
        finally:
            now_open.discard(take.id)

    plan = cut_of(board_of(clips, seams))
    film = film_frames(plan, frames_of, (3, 2))
    next(film)
    assert read == ["0"], "nothing is read ahead"
    assert 1 + sum(1 for _ in film) == plan.frames and max(most) == 2 and not now_open
    dips = {str(place - 1) for place, seam in enumerate(seams) if seam.kind == "dip to black"}
    assert Counter(read) == {str(place): 9 - (str(place) in dips) for place in range(40)}, "not the one that is black"
    film = film_frames(plan, frames_of, (3, 2))
    next(film)
    film.close()
    assert not now_open, "a film that is given up leaves nothing open"


# --- trim, speed, hold -----------------------------------------------------------------------------------------------

COUNTED = np.repeat(np.arange(16, dtype=np.uint8), 18).reshape(16, 2, 3, 3)  # frame k has value k


@pytest.mark.parametrize(
    "changes, shown",
    [
        ({"skip": 0.5}, list(range(4, 16))),
        ({"cut": 0.5}, list(range(12))),
        ({"skip": 0.25, "cut": 0.25}, list(range(2, 14))),
        ({"skip": 900}, [15]),
        ({"cut": 900}, [0]),
        ({"speed": 2}, list(range(0, 16, 2))),
        ({"speed": 0.5, "cut": 1}, [frame for frame in range(8) for _ in range(2)]),
        ({"hold": 0.5}, [*range(16), 15, 15, 15, 15]),
        ({"skip": 1, "cut": 0.25, "speed": 2, "hold": 0.25}, [8, 10, 12, 13, 13]),
    ],
)
def test_what_of_a_take_is_shown(changes: dict[str, float], shown: list[int]) -> None:
    board = shot(board_of([COUNTED]), 0, **changes)
    assert values(filmed(board, [COUNTED])) == shown
    assert cut_of(board).frames == len(shown)


def test_a_seam_takes_of_what_is_shown() -> None:
    clips = [COUNTED, COUNTED + 100]
    board = shot(board_of(clips, [Seam(), Seam(kind="cross-fade", seconds=5)]), 0, cut=1)
    assert cut_of(board).passages[1].shared == 4, "half of the eight frames that are left"


def test_takes_of_another_rate_last_as_long_as_they_did() -> None:
    board = board_of([COUNTED, clip(4)])
    quick = board.takes["1"].model_copy(update={"frames_per_second": 24.0})
    plan = cut_of(type(board)(board.story, {**board.takes, "1": quick}))
    assert (plan.frames_per_second, plan.lengths) == (24, [48, 4])


# --- cards -----------------------------------------------------------------------------------------------------------


def test_cards_stand_before_the_first_scene_and_after_the_last() -> None:
    frames = clip(8, 200, 48, 72)
    board = board_of([frames], title={"text": "Snow", "seconds": 0.5}, end={"text": "The end", "seconds": 0.25})
    plan, film = cut_of(board), filmed(board, [frames])
    assert (plan.frames, plan.starts, plan.lengths, len(film)) == (14, [4], [8], 14)
    assert plan.marks == {board.story.scenes[0].id: 0.5}
    assert [int(np.median(frame)) for frame in film] == [0] * 4 + [200] * 8 + [0] * 2
    assert film[0].max() > 200 and film[-1].max() > 200, "words, in light letters"
    assert not np.array_equal(film[0], film[-1])


def test_the_first_scene_follows_the_title_by_its_seam() -> None:
    frames = clip(8, 200, 48, 72)
    board = board_of([frames], [Seam(kind="cross-fade", seconds=0.25)], title={"text": "Snow", "seconds": 1})
    film = filmed(board, [frames])
    assert (len(film), cut_of(board).starts) == (14, [6])
    assert 60 < np.median(film[6]) < 75 and 130 < np.median(film[7]) < 140 and np.median(film[8]) == 200


def test_a_film_without_a_scene_has_no_cards_either() -> None:
    assert cut_of(board_of([], title={"text": "Snow"})).parts == ()


# --- captions --------------------------------------------------------------------------------------------------------


def test_captions_lie_under_the_pictures_and_change_with_the_scenes() -> None:
    clips = [clip(4, 50, 20, 144), clip(4, 90, 20, 144)]
    board = shot(board_of(clips, title={"text": "Snow", "seconds": 0.25}), 1, caption="A line of its own.")
    film, bare = filmed(board, clips, captioned=True), filmed(board, clips)
    assert np.array_equal(film[:, :20], bare), "the pictures stay as they are"
    under = film[:, 20:]
    assert under[:2].max() == 0, "a card has none"
    assert all(np.array_equal(frame, under[2]) for frame in under[2:6])
    assert all(np.array_equal(frame, under[6]) for frame in under[6:])
    assert not np.array_equal(under[2], under[6])


def test_captions_change_hard_in_a_soft_seam() -> None:
    clips = [clip(8, 50, 20, 144), clip(8, 90, 20, 144)]
    under = filmed(board_of(clips, [Seam(), Seam(kind="cross-fade", seconds=0.5)]), clips, captioned=True)[:, 20:]
    kinds = [next(k for k in (0, -1) if np.array_equal(frame, under[k])) for frame in under]
    assert kinds == [0] * 4 + [-1] * 8


def test_a_frame_that_a_continued_scene_shares_is_shown_once() -> None:
    clips = [np.stack([np.full((4, 6, 3), base + 10 * i, np.uint8) for i in range(5)]) for base in (10, 50, 130)]
    board = board_of(clips, [Seam(kind="continue"), Seam(kind="continue"), Seam()])
    found = filmed(board, clips)[:, 0, 0, 0].tolist()
    assert found == [10, 20, 30, 40, 50, 60, 70, 80, 90, 130, 140, 150, 160, 170], "the first scene has none before it"
    assert cut_of(board).starts == [0, 5, 9]
    mine = {take.id: take.model_copy(update={"source": "imported"}) for take in board.takes.values()}
    assert cut_of(Board(board.story, mine)).lengths == [5, 5, 5], "a clip of one's own was not made from another's end"
