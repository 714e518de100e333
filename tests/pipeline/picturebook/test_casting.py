"""Who plays somebody whom nobody has described."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.picturebook.casting import Casting, Company, Role, roles_in
from pipeline.picturebook.world import BOYS, GIRLS
from pipeline.text_filter import TextFilter


@pytest.mark.parametrize(
    ("prompt", "captions"),
    [
        ("Mia is running on the beach.", ["Mia is here."]),
        ("Mia, a girl in a red coat, is running on the beach.", ["Mia in a red coat is here."]),
        ("Tom with a yellow hat waves to the dog.", ["Tom with a yellow hat is here.", "A dog is here."]),
        ("The cat and Actor 12 are dancing.", ["A cat is here.", "Actor 12 is here."]),
        ("Actor 2, a girl in a red coat, waves.", ["Actor 2 in a red coat is here."]),
        ("A ginger cat and a grey cat play.", ["A ginger cat is here.", "A grey cat is here."]),
        (
            "A girl in blue trousers and a robot with an orange lamp",
            ["A girl with blue trousers is here.", "A robot is here."],
        ),
        ("Actor \u0661 and Actor \u0967 wave.", []),  # other digits than the world's own
        ("mia waves to  ACTOR  12 and the Cat.", ["Mia is here.", "Actor 12 is here.", "A cat is here."]),
        ("Mia dances. Mia wears a red coat.", ["Mia in a red coat is here."]),
        ("A cat runs. The cat wears a red hat.", ["A cat with a red hat is here."]),
        ("A cat runs after a cat in a red sweater.", ["A cat is here.", "A cat in a red sweater is here."]),
        ("The ginger cat waves to the grey cat.", ["A ginger cat is here.", "A grey cat is here."]),
        ("Sofia rides a bike past the boyfriend.", []),  # names and words that the world does not know
    ],
)
def test_a_prompt_names_roles(prompt: str, captions: list[str]) -> None:
    assert [role.caption for role in roles_in(prompt)] == captions


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Mia is walking in a red coat on the beach.", {"Mia": {"top": "red"}}),
        ("Mia, in a blue coat, is skiing.", {"Mia": {"top": "blue"}}),
        ("Mia, wearing a red woollen jacket, walks.", {"Mia": {"top": "red"}}),
        ("Mia walks. Her coat is red.", {"Mia": {"top": "red"}}),
        ("In a red coat and blue trousers, Mia walks.", {"Mia": {"top": "red", "bottom": "blue"}}),
        ("A girl in red is running.", {"girl": {"top": "red"}}),
        ("Mia is skiing and Tom walks in a green hat.", {"Mia": {}, "Tom": {"hat": "green"}}),
        ("Mia and Tom dance. She wears a red cap.", {"Mia": {"hat": "red"}, "Tom": {}}),
        ("Mia and Tom in red coats run.", {"Mia": {"top": "red"}, "Tom": {"top": "red"}}),
        ("Mia and a robot with a blue lamp dance.", {"Mia": {}, "robot": {"hat": "blue"}}),
        ("Mia stands beside the grey cat.", {"Mia": {}, "cat": {"skin": "grey"}}),
        ("The dog is grey; Mia waves with a lamp of red.", {"dog": {"skin": "grey"}, "Mia": {}}),
        ("Red kites fly over Mia.", {"Mia": {}}),
        ("The robot waves at Mia with blond hair.", {"robot": {}, "Mia": {"hair": "blond"}}),
    ],
)
def test_a_look_is_of_whom_was_spoken_of(prompt: str, said: dict[str, dict[str, str]]) -> None:
    assert {role.name: dict(role.said) for role in roles_in(prompt)} == said


def test_the_last_word_about_a_look_counts_from_then_on() -> None:
    company, seen = Company(), []
    said = (
        "Mia in a red coat is running.",
        "Mia is waving.",
        "Mia in a blue coat with a green hat walks.",
        "Mia",
    )
    for prompt in said:
        seen.append([role.caption for role in company.of(prompt)])
        company.pass_by(prompt)
    red, blue = "Mia in a red coat is here.", "Mia with a green hat in a blue coat is here."
    assert seen == [[red], [red], [blue], [blue]]


def test_what_is_not_said_is_the_same_whatever_else_is() -> None:
    plain, red, blue = (Casting(Role("Mia", said), 5).picture.astype(int) for said in (
        (), (("top", "red"),), (("top", "blue"),)))  # fmt: skip
    changed = np.abs(red - blue).max(-1) > 0
    assert 0.005 < changed.mean() < 0.2  # her coat alone
    assert (np.abs(plain - red).max(-1)[~changed] == 0).all()


def test_the_filter_keeps_of_a_casting_its_role() -> None:
    text_filter = TextFilter.from_backbone()
    names = [*GIRLS, *BOYS, "Actor 7", "the cat", "a dog", "the robot", "a girl", "the boy"]
    for prompt in (f"{name} is riding a bicycle in the kitchen." for name in names):
        (role,) = roles_in(prompt)
        kept = [word.text for word in text_filter([role.caption], prompt).scenes[0].words if word.kept]
        assert kept == role.name.split(), prompt


def test_another_seed_and_another_name_are_somebody_else() -> None:
    pictures = [Casting(Role(name), seed).picture for name, seed in (("Mia", 1), ("Mia", 2), ("Lena", 1))]
    assert all((a != b).any() for a, b in zip(pictures, pictures[1:] + pictures[:1], strict=True))
    assert (Casting(Role("Mia"), 1).picture == pictures[0]).all()
