"""What a click in a take chooses, and the regions that come of it."""

import pytest

from storyboard.document.region_edit import MOST_STROKES, RegionWords
from storyboard.ui.desk import Change
from storyboard.ui.panels.change.pointing import (
    BOX,
    BRUSH,
    MOST_POINTS,
    PAINT,
    REST,
    key_of,
    label_of,
    marks,
    missing,
    painted_points,
    point,
    region_of,
    wipe,
)

WORDS = [{"word": "Mia", "occurrence": 0}, {"word": "robot", "occurrence": 0}, {"word": "desert", "occurrence": 0}]
MIA, ROBOT, NOBODY = (0.1, 0.2, 0.4, 0.9), (0.3, 0.1, 0.6, 0.9), (0.8, 0.4, 0.9, 0.9)


@pytest.fixture
def change() -> Change:
    """Of a take of two frames, in which Mia and the robot overlap, and somebody is whom nobody names."""
    figures = [
        {"boxes": [MIA, None], "words": (0,)},
        {"boxes": [ROBOT, ROBOT], "words": (1,)},
        {"boxes": [NOBODY, (0.7, 0.4, 0.8, 1.0)], "words": ()},
    ]
    return Change(take="t", figures=figures)


@pytest.mark.parametrize(
    ("across", "down", "chosen"), [(0.2, 0.5, "0:Mia"), (0.35, 0.5, "0:Mia"), (0.5, 0.5, "0:robot"), (0.95, 0.1, REST)]
)
def test_a_click_chooses_the_smallest_figure_there_by_its_word_or_the_rest(
    change: Change, across: float, down: float, chosen: str
) -> None:
    point(change, WORDS, across, down)
    assert change.choice == chosen and not change.box


def test_a_figure_without_a_word_is_a_box_around_it_in_all_frames(change: Change) -> None:
    point(change, WORDS, 0.85, 0.5)
    assert change.choice == BOX and change.box == [0.7, 0.4, 0.9, 1.0]


def test_in_another_frame_others_are_there(change: Change) -> None:
    change.frame = 1
    point(change, WORDS, 0.2, 0.5)
    assert change.choice == REST


def test_two_corners_are_a_box_and_a_third_begins_another(change: Change) -> None:
    change.choice = BOX
    for across, down in ((0.6, 0.2), (0.4, 0.5)):
        point(change, WORDS, across, down)
    assert change.box == [0.4, 0.2, 0.6, 0.5]
    assert marks(change, WORDS) == ([MIA, ROBOT, NOBODY], [change.box])
    point(change, WORDS, 0.9, 0.9)
    assert change.box == [0.9, 0.9] and "corners" in missing(change)
    point(change, WORDS, 0.9, 0.95)
    assert change.box == [0.9, 0.95], "no width is no box"


def test_what_is_wanting_is_said_and_regions_are_those_of_an_edit(change: Change) -> None:
    assert missing(change)
    change.choice = key_of(WORDS[0])
    assert marks(change, WORDS) == ([ROBOT, NOBODY], [MIA])
    assert missing(change)
    change.text = "Mia"
    assert missing(change), "it is that already"
    change.text = " a cat "
    assert not missing(change)
    assert region_of(change, 1, 0.5) == {
        "word": "Mia",
        "occurrence": 0,
        "words": "a cat",
        "strength": 1.0,
        "upper": 0.5,
    }
    change.choice = REST
    assert region_of(change, 0.5, 1) == {"rest": True, "words": "a cat", "strength": 0.5}


def test_what_is_painted_over_is_a_brush_and_what_is_no_point_is_left_out(change: Change) -> None:
    change.choice, change.text = BRUSH, "a hat"
    assert missing(change) == PAINT
    change.brush = painted_points([[0.2, 0.3, 0.1], [0.2, 0.3], "x", [0.2, 7, 0.1], [0.5, 0.5, None]])
    assert not missing(change) and painted_points(None) == []
    region = region_of(change, 1.0, 0.5)
    assert region == {"words": "a hat", "strength": 1.0, "brush": [{"x": 0.2, "y": 0.3, "radius": 0.1}]}
    assert RegionWords.model_validate(region).brush and label_of(region) == "What is painted → a hat"
    before = change.painting
    wipe(change)
    assert not change.brush and change.painting == before + 1
    assert MOST_POINTS == MOST_STROKES
