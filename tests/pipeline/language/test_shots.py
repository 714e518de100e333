"""Words that say how a scene is filmed are never remembered; a camera that somebody holds is."""

from __future__ import annotations

import pytest

from pipeline.language.mentions import analyse
from pipeline.language.words import shot_terms
from pipeline.text_filter import TextFilter

TERMS = {
    "Close shot of Mia waving.": ["Close shot"],
    "Extreme close-up: Mia": ["Extreme close-up"],
    "Medium close up of Lena on the beach.": ["Medium close up"],
    "Mia waves. A wide shot of the beach.": ["wide shot"],
    "The camera pans slowly over the beach.": ["The camera pans slowly"],
    "The camera is following Mia.": ["The camera is following"],
    "A two-shot of Mia and Tom.": ["two-shot"],
    "POV: a cat.": ["POV"],
    "A shot of Tom. Shot of a dog.": ["A shot", "Shot"],
    "Cut to: Mia in the kitchen.": ["Cut to"],
    "Zoom in on the robot.": ["Zoom in"],
    "Low angle shot of a robot.": ["Low angle shot"],
    "Bird’s-eye view of the farm": ["Bird’s-eye view"],
    "INT. KITCHEN - DAY. Mia waves. EXT. BEACH": ["INT", "EXT"],
    "Nahaufnahme: Mia winkt.": ["Nahaufnahme"],
    "Gros plan sur Mia": ["Gros plan"],
    "Primer plano de Mia": ["Primer plano"],
    "Крупный план: Мия": ["Крупный план"],
    "特写镜头：米娅": ["特写镜头"],
}
THINGS = (
    "Mia holds the camera.", "A camera records them.", "Two shots are fired.", "Mia takes a shot of whisky.",
    "A frying pan in the kitchen.", "Close to the house, Mia waves.", "A full moon over a long street.",
    "He closes up the shop.", "Tom zooms in on a bike.", "Une éclipse totale.",
)  # fmt: skip


@pytest.fixture(scope="module")
def text_filter() -> TextFilter:
    return TextFilter.from_backbone()


@pytest.mark.parametrize("text", TERMS)
def test_terms_of_shot_lists_are_found(text: str) -> None:
    assert [text[start:end] for start, end in shot_terms(text)] == TERMS[text]


@pytest.mark.parametrize("text", THINGS)
def test_things_and_deeds_are_no_shots(text: str) -> None:
    assert not shot_terms(text)


@pytest.mark.parametrize(
    ("past", "prompt"),
    [
        ("Close shot of Mia waving in the kitchen.", "Close shot of Tom running on the beach."),
        ("A medium shot of a dog on the farm.", "A medium shot of a robot in the snow."),
        ("The camera pans over the desert.", "The camera pans over the beach."),
        ("Gros plan sur une fille.", "Gros plan sur un chien."),
        ("特写镜头：女孩", "特写镜头：狗"),
    ],
)
def test_two_scenes_in_one_shot_have_nothing_in_common(text_filter: TextFilter, past: str, prompt: str) -> None:
    assert not text_filter([past], prompt).contributing


def test_who_is_filmed_is_remembered_from_any_shot(text_filter: TextFilter) -> None:
    result = text_filter(["Wide shot: Mia is waving in the kitchen."], "Close-up of Mia in the kitchen.")
    assert [mention.text for mention in result.scenes[0].kept_mentions] == ["Mia", "kitchen"]
    assert {w.reason for w in result.scenes[0].words[:2]} == {"says how it is filmed"}
    assert {w.reason for w in result.current if w.text == "Close-up"} == {"says how it is filmed"}


def test_a_verb_behind_a_shot_is_read_as_without_it() -> None:
    plain, framed = analyse("Mia runs on the beach."), analyse("Close-up: Mia runs on the beach.")
    words = [[found.segments[i].text for m in found.mentions for i in m.words] for found in (plain, framed)]
    assert words[0] == words[1] and len(plain.verbs) == len(framed.verbs) == 1
