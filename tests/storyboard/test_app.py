"""What the page takes from its form, and how the app says no, without a browser."""

from typing import Any

import pytest

import app
from pipeline.errors import ThroughlineError
from storyboard.ui.form import DEFAULTS, EXAMPLE, MOST_SCENES, read_form


def filled(**changes: Any) -> list[Any]:
    names = ("text", "w1", "w2", "steps", "seed", "negative", "threshold")
    return list((dict(zip(names, DEFAULTS, strict=True)) | changes).values())


def test_the_form_as_it_comes_is_the_example() -> None:
    order = read_form(filled())
    assert order.prompts == EXAMPLE
    assert order.scene_settings(1).seed == 1


def test_blank_lines_are_no_scenes() -> None:
    assert read_form(filled(text="\n A cat runs. \n\n  \nA dog runs.\n")).prompts == ("A cat runs.", "A dog runs.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": " \n "}, "no prompt"),
        ({"text": None}, "no prompt"),
        ({"text": "A cat.\n" * (MOST_SCENES + 1)}, f"at most {MOST_SCENES}"),
        ({"seed": None}, "seed is empty"),
        ({"seed": -3}, "seed is -3"),
    ],
)
def test_what_can_be_no_film_is_said_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ThroughlineError, match=message) as caught:
        read_form(filled(**changes))
    assert "\n" not in str(caught.value)


def test_an_unknown_model_ends_the_app(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--model", "no such model"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "no such model" in error and error.count("\n") == 1
