"""Names in a search: who is meant by them, and in which scenes they are."""

import pytest

from storyboard.finding.names import asked_of, names_in, what_is

STORY = (
    "Mia, a girl in a red coat, is running on the beach.",
    "A tall robot named Bolt dances.",
    "Tom in a blue coat is skiing.",
    "Mia is walking.",
)


@pytest.mark.parametrize(
    "name, expected", [("Mia", "the girl"), ("Bolt", "the robot"), ("Tom", "somebody"), ("Ada", "somebody")]
)
def test_what_somebody_is(name: str, expected: str) -> None:
    assert what_is(name, STORY) == expected


@pytest.mark.parametrize(
    "words, scene, expected",
    [
        ("Mia running", 0, "the girl running"),
        ("Mia running", 3, "the girl running"),
        ("Mia running", 1, None),
        ("Tom", 2, "somebody"),
        ("the robot waving", 0, "the robot waving"),
        ("Ada waving", 0, "Ada waving"),
    ],
)
def test_what_is_asked_of_a_scene(words: str, scene: int, expected: str | None) -> None:
    assert asked_of(words, STORY[scene], STORY) == expected


def test_names_are_those_of_the_filter() -> None:
    assert names_in("Mia and the robot see Tom.") == ("Mia", "Tom")
