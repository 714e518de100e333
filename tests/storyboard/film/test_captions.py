"""Words in pictures: lines, typefaces, captions and cards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storyboard.film import captions


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


def test_captions_are_ink_on_paper() -> None:
    (strip,) = captions.caption_strips([(3, "The robot is skiing on the snow.")], 576)
    dark = (strip.astype(int).sum(-1) < 250).mean()
    red = (strip[..., 0].astype(int) - strip[..., 2] > 120).sum()
    assert strip[0, 0].tolist() == [251, 248, 242]
    assert 0.005 < dark < 0.2 and red > 5, "words in ink, the number in vermilion"
    (bare,) = captions.caption_strips([(3, "")], 576)
    assert (bare.astype(int).sum(-1) < 250).mean() == 0


def test_strips_are_of_one_size_and_differ() -> None:
    strips = captions.caption_strips([(1, "A dog runs."), (2, "A cat dances on the snow. " * 8)], 144)
    assert strips[0].shape == strips[1].shape and strips[0].shape[0] % 2 == 0 and strips[0].shape[1] == 144
    assert not np.array_equal(*strips)


@given(st.text(min_size=1, max_size=400))
def test_a_card_keeps_within_its_margins(text: str) -> None:
    card = captions.card_picture(text, (160, 90))
    assert card.shape == (90, 160, 3) and card.dtype == np.uint8
    assert card[:, :8].max() == 0 and card[:, -8:].max() == 0


def test_a_card_keeps_its_lines_apart() -> None:
    lit = captions.card_picture("Snow\n\nby Mia", (320, 180)).max(axis=(1, 2)) > 128
    assert (np.diff(lit.astype(int)) == 1).sum() >= 2, "rows of letters with a gap between them"
