"""Words that a model has never seen."""

from pathlib import Path

from pipeline.language import vocabulary

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
