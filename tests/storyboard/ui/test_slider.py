"""What sliders take from a browser."""

import gradio as gr
import pytest

from storyboard.ui.components.slider import Slider
from tests.paths import ROOT


@pytest.mark.parametrize(("given", "taken"), [(7, 7), (7.25, 7.25), (30, 10), (-1, 0), (1e300, 10)])
def test_a_number_beyond_the_ends_counts_as_the_end(given: float, taken: float) -> None:
    assert Slider(0, 10, label="Weight").preprocess(given) == taken


@pytest.mark.parametrize("given", [None, "7", True, [7], float("nan")])
def test_what_is_no_number_is_refused_in_a_line(given: object) -> None:
    with pytest.raises(gr.Error, match=r"Weight is .*: expected a number") as caught:
        Slider(0, 10, label="Weight").preprocess(given)
    assert not caught.value.print_exception


def test_all_sliders_of_the_page_are_of_this_kind() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in ROOT.glob("storyboard/ui/**/*.py")}
    assert [path.name for path, text in sources.items() if "gr.Slider" in text] == ["slider.py"]
