"""Words that a model has never seen."""

from pathlib import Path

import pytest

from pipeline.backbones.checkpoints import assets_folder
from pipeline.language import vocabulary
from pipeline.language.words import lemma_of

KNOWN = frozenset(vocabulary.collect(["A girl in a red coat is running on the beach.", "The dogs jumped."]))


def test_words_count_in_any_inflection() -> None:
    assert {"girl", "red", "coat", "run", "beach", "dog", "jump"} <= KNOWN
    assert vocabulary.unfamiliar("Two girls run; a dog is jumping on beaches.", KNOWN) == []


def test_unknown_words_are_told_as_they_are_written_and_names_are_not() -> None:
    assert vocabulary.unfamiliar("Mia and the dog fly a spaceship over the red beach.", KNOWN) == ["fly", "spaceship"]


def test_without_a_vocabulary_nothing_is_unknown(tmp_path: Path) -> None:
    assert vocabulary.read(tmp_path) == frozenset()
    assert vocabulary.unfamiliar("A spaceship lands.", frozenset()) == []
    (tmp_path / vocabulary.FILE).write_text("beach\nred\n")
    assert vocabulary.read(tmp_path) == {"beach", "red"}


def test_words_are_grouped_as_they_are_written_in_prompts() -> None:
    prompt = "Mia and a cat in a red hat are hopping and waving on the beach with a ball."
    words = frozenset(vocabulary.collect([prompt]))
    assert vocabulary.grouped(words) == {
        "people": ["cat", "Mia"], "places": ["beach"], "actions": ["hopping", "waving"], "looks": ["hat", "red"],
        "things": ["ball"],
    }  # fmt: skip
    assert vocabulary.examples(words)[:2] == ["Mia, hopping, beach", "cat, waving, beach"]
    assert vocabulary.grouped(frozenset()) == {}
    shipped = vocabulary.grouped(vocabulary.read(assets_folder() / "picturebook"))
    assert "Ada" in shipped["people"] and "farmyard" in shipped["places"] and "ginger" in shipped["looks"]
    assert vocabulary.examples(frozenset(["beach"])) == []


def test_shots_are_words_like_others_and_have_a_group_of_their_own() -> None:
    texts = ["Wide shot of Mia on the beach.", "Close-up: Mia waves.", "Long shot: snow."]
    words = frozenset(vocabulary.collect(texts))
    assert vocabulary.grouped(words)["shots"] == ["wide shot", "close-up"] and "more" not in vocabulary.grouped(words)
    assert vocabulary.unfamiliar("Close-up of Mia. A wide shot: Mia waves.", words) == []
    assert vocabulary.unfamiliar("Low angle shot of Mia. The camera pans.", words) == ["Low", "angle", "camera", "pans"]
    assert vocabulary.unfamiliar("Close-up of Mia on the beach.", frozenset(["beach"])) == ["Close-up"]


@pytest.mark.parametrize("verb", ["run", "ski", "dance", "walk", "see", "sit", "play", "sleep", "ride"])
def test_what_somebody_is_doing_is_read_as_the_verb_again(verb: str) -> None:
    assert lemma_of(vocabulary.gerund(verb)) == verb
