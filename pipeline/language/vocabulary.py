"""The words that a model was trained on, and those of a prompt that are not among them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path

from .lexicon import NAMES, WEARABLES
from .mentions import analyse
from .shots import HEADINGS
from .words import ENGLISH_FUNCTION, Segment, attribute_classes, domains, lemma_of, written_form

FILE = "vocabulary.txt"  # in a model folder, one word a line
GROUPS = ("people", "places", "actions", "looks", "shots", "things", "more")
SHOTS = {"wide": "wide shot", "medium": "medium shot", "close": "close-up"}  # as prompts write them
MOST_EXAMPLES = 12
UNSORTED = {"farmyard": "places", "ginger": "looks"}  # words whose kind the lexicon does not have
PEOPLE = NAMES | {"ada"}  # one that the filter knows by its capital alone
_CLOSED = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]")  # one short syllable, whose last letter is doubled: hop, run


def collect(texts: Iterable[str]) -> list[str]:
    """The words of all texts in their base forms, in alphabetical order."""
    words = {word for text in texts for word in re.findall(r"[^\W\d_]+", text)}
    return sorted({lemma_of(written_form(word)) for word in words})


def read(folder: Path) -> frozenset[str]:
    """The vocabulary of a model; empty if it has none, which means that nothing is known about its words."""
    path = folder / FILE
    return frozenset(path.read_text(encoding="utf-8").split()) if path.is_file() else frozenset()


def unfamiliar(prompt: str, vocabulary: frozenset[str]) -> list[str]:
    """The content words of a prompt that are not in the vocabulary, and those that say how it is filmed, as they are
    written; names and numbers never are. Always empty for an empty vocabulary."""
    found = analyse(prompt)
    if not vocabulary:
        return []
    return [
        word.text
        for word, mention in zip(found.segments, found.mention_of, strict=True)
        if (mention is not None or _frames(word))
        and word.tag not in ("name", "number")
        and not vocabulary.issuperset(word.lemma.split("-"))
    ]


def _frames(word: Segment) -> bool:
    """Whether it says how a scene is filmed, in more than a function word."""
    return word.shot and not (word.form in ENGLISH_FUNCTION or word.form in HEADINGS or word.form.endswith("ly"))


def grouped(vocabulary: frozenset[str]) -> dict[str, list[str]]:
    """The words of a vocabulary as they are written in prompts, by those of GROUPS that have any, in alphabetical
    order; {} for an empty one. Function words are left out."""
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    shots = {lemma_of("shot"), "long", *SHOTS} if lemma_of("shot") in vocabulary else set[str]()
    found["shots"] = [shot for word, shot in SHOTS.items() if word in vocabulary & shots]
    for word in sorted(vocabulary - ENGLISH_FUNCTION - shots):
        group = _group_of(word)
        found[group].append(gerund(word) if group == "actions" else word.title() if word in PEOPLE else word)
    return {group: words for group, words in found.items() if words}


def _group_of(word: str) -> str:
    kinds = domains(word)
    if word in UNSORTED:
        return UNSORTED[word]
    if word in PEOPLE or kinds & {"person", "animal"}:
        return "people"
    if "place" in kinds:
        return "places"
    if attribute_classes(word) or word in WEARABLES:
        return "looks"
    return "actions" if "action" in kinds else "things" if kinds else "more"


def gerund(verb: str) -> str:
    """The form of a regular English verb that says what somebody is doing: run, running."""
    if verb.endswith("e") and not verb.endswith("ee"):
        return f"{verb[:-1]}ing"
    return f"{verb}{verb[-1] if _CLOSED.fullmatch(verb) else ''}ing"


def examples(vocabulary: frozenset[str]) -> list[str]:
    """Who, what and where, of known words alone: "Mia, dancing, beach". None where one of the three is unknown."""
    words = grouped(vocabulary)
    if not {"people", "actions", "places"} <= words.keys():
        return []
    named = sorted(words["people"], key=str.islower)  # names first
    thrice = zip(cycle(named), cycle(words["actions"]), cycle(words["places"]), strict=False)
    return [", ".join(three) for three in islice(thrice, MOST_EXAMPLES)]
