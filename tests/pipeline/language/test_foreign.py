"""Syntax of other tools in a prompt is recognised, named gently and never taken for words."""

import pytest

from pipeline.language.foreign import foreign_syntax
from pipeline.language.mentions import analyse
from pipeline.text_filter import TextFilter


def mentions(text: str) -> list[str]:
    analysis = analyse(text)
    return [" ".join(analysis.segments[i].text for i in mention.words) for mention in analysis.mentions]


@pytest.mark.parametrize(
    ("prompt", "words", "noted"),
    [
        ("(Mia:1.3) in a (red coat:1.2) is running", ["Mia red coat", "running"], ["(Mia:1.3)"]),
        ("((Mia)) in a [red coat] is running", ["Mia red coat", "running"], ["((Mia))", "[red coat]"]),
        ("Mia in a (red coat)1.4 and a hat++ is running", ["Mia red coat hat", "running"], ["(red coat)1.4"]),
        ("<lora:paint:0.8> Mia is running <hypernet:old:1>", ["Mia", "running"], ["<lora:paint:0.8>"]),
        ("Mia is running, embedding:bad-hands", ["Mia", "running"], ["embedding:bad-hands"]),
        ("Mia is running BREAK a dog barks", ["Mia", "running", "dog", "barks"], ["BREAK"]),
        ("Mia is running --ar 16:9 --v 6 --style raw --tile", ["Mia", "running"], ["--ar 16:9"]),
        ("Mia is running —ar 16:9", ["Mia", "running"], ["—ar 16:9"]),
        ("Mia is running --no hats, trees --seed 7", ["Mia", "running"], ["--no hats, trees"]),
        ("a red coat::2 and a dog::-0.5", ["red coat", "dog"], ["::2"]),
        (r"Mia \(a girl\) is running", ["Mia", "girl", "running"], ["\\"]),
    ],
)
def test_it_is_no_word_and_a_note_says_that_it_does_nothing(prompt, words, noted):
    assert mentions(prompt) == words
    notes = foreign_syntax(prompt)
    assert len(notes) == len(noted)
    assert all("here" in note for note in notes)
    assert all(any(text in note for note in notes) for text in noted), notes


@pytest.mark.parametrize(
    "prompt",
    [
        "Mia in a (red coat) is running.",
        "A sign says (opens at 10:30).",
        "Mia runs—a dog barks.",
        "Mia - a girl - runs.",
        "THE WAVES BREAK ON THE SHORE.",
        "She wears a T-shirt: red, blue.",
        "Mia & Tom <3",
        "Mia waits —no one comes.",
        "C++ on a screen",
        "Scene 2: (Tom: a boy) sings.",
        "🐶 a dog",
    ],
)
def test_ordinary_punctuation_is_not_noted(prompt):
    assert foreign_syntax(prompt) == ()


@pytest.mark.parametrize(
    "prompt",
    [
        "(Mia:1.3) in a (red coat:1.2) is running",
        "Mia in a (red coat) is running",
        "Mia in a red\u200bcoat is running.",
        "Mia in a red 🧥 coat is running.",
        "Mia 🎀 in a red coat is running. 🎉",
        "🎉 Mia's red coat is wet.",
        "Mia\u02bcs red coat is wet.",
        "<lora:paint:0.8> Mia in a red coat is running.",
    ],
)
def test_nothing_of_it_cuts_a_description_off(prompt):
    scene = TextFilter.from_backbone()([prompt], "<lora:paint:0.8> Mia is skiing (slowly:1.2).").scenes[0]
    assert [word.text[:3] for word in scene.words if word.kept] == ["Mia", "red", "coa"]


def test_what_someone_owns_is_not_what_she_wears():
    text_filter = TextFilter.from_backbone()
    assert not text_filter(["Mia's red kite flies."], "Mia is skiing.").scenes[0].kept
    assert not text_filter(["Mia's red coat is wet."], "Mia in a blue coat is skiing.").scenes[0].kept
    assert not text_filter(["Mia's red coat is wet."], "Lena is skiing.").scenes[0].kept
