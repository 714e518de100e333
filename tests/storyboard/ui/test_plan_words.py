"""The line at the foot of the page: what a render would do, in words."""

from typing import Any

import pytest

from storyboard.ui.plan_words import plan_words

RED = "*coat* was *red*: now *blue*"


def standing(states: str, steps: str = "", seconds: float | None = None, **plan: Any) -> dict[str, Any]:
    """states: of the scenes, a letter each. steps: numbers of those to render, all for the same reason."""
    known = {"b": "blank", "u": "blank", "n": "new", "f": "fresh", "s": "stale", "w": "waiting"}
    why = {"b": (), "n": (), "f": ()}
    return {
        "scenes": {
            str(number): {"state": known[letter], "reasons": why.get(letter, (RED,))}
            for number, letter in enumerate(states, 1)
        },
        "plan": {
            "steps": [{"scene": number, "number": int(number), "reasons": (RED,)} for number in steps],
            "seconds": seconds, "blocked": (), **plan,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("states", "line"),
    [
        ("", "Nothing to render yet."),
        ("bb", "Nothing to render yet: the scenes have no words."),
        ("ff", "Every scene is fresh."),
        ("fb", "Every scene is fresh. 1 scene without words."),
        ("uf", "Every other scene is fresh."),
        ("sbb", "Nothing to render: what is stale is locked. 2 scenes without words."),
    ],
)
def test_without_a_render(states: str, line: str) -> None:
    assert plan_words(standing(states)) == line


def test_a_render_says_how_many_which_why_and_how_long() -> None:
    assert plan_words(standing("nss", "123", 6.2)) == f"Render 3 scenes: 1, 2 ({RED}), 3, about 6 s."
    assert plan_words(standing("s", "1")) == f"Render 1 scene: 1 ({RED})."


def test_where_there_is_little_room_words_are_left_to_the_cards() -> None:
    assert plan_words(standing("s", "1"), brief=True) == "Render 1 scene: 1 (*coat* was *red*)."


def test_of_many_scenes_the_first_are_named_and_one_reason() -> None:
    told = plan_words(standing("s" * 8, "12345678", 400.0))
    assert told == f"Render 8 scenes: 1 ({RED}), 2, 3, 4, 5, 6 and 2 more, about 7 min."


def test_workers_say_their_time_and_the_longest_chain() -> None:
    shared = {"workers": 2, "chain": (1, 3), "chain_seconds": 8.0, "seconds": 9.0}
    told = plan_words(standing("nnn", "123", 12.0, together=shared))
    assert told == "Render 3 scenes: 1, 2, 3, about 9 s with 2 workers; longest chain 1 → 3, 8 s."
    alone = plan_words(standing("nnn", "123", 12.0, together={**shared, "chain": (1,)}))
    assert alone == "Render 3 scenes: 1, 2, 3, about 9 s with 2 workers."


def test_what_can_not_be_done_is_said_in_sentences() -> None:
    told = plan_words(standing("f", blocked=("scene 2 can't be rendered: prompt is long", "scene 3 has no prompt")))
    assert told == "Every scene is fresh. Scene 2 can't be rendered: prompt is long. Scene 3 has no prompt."
