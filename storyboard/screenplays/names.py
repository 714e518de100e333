"""The names in a script: capitals in cues and where somebody appears for the first time, as people write them else.

Does not cover: one person under two names, but for a first name; people who never speak and have no capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from .elements import Element, one_line

EXTENSION = re.compile(r"\s*\(.*$")  # (V.O.), (CONT'D)
AGE = re.compile(r",\s*\d{1,3}\b|\s*\(\d")  # MIA, 30; TOM (40s)
TOGETHER = re.compile(r"\s+AND\s+|\s*[&/,+]\s*", re.IGNORECASE)
ARTICLES = frozenset(["a", "an", "the", "his", "her", "their", "our", "my", "your", "this", "that", "another"])
MOST_NAMES = 500  # of a script


def cue_name(cue: str) -> str:
    """Who speaks by a cue, as it is written elsewhere: MIA (V.O.) is Mia."""
    name = written(one_line(EXTENSION.sub("", cue).strip().strip("^@")))
    return name.replace(" And ", " and ")


def written(name: str) -> str:
    """A name in capitals as people write it else: O'BRIEN is O'Brien; R2D2 stays."""
    return re.sub(r"[^\W\d_]+(?![\w])", _capitalised, name) if name.isupper() else name


def _capitalised(found: re.Match[str]) -> str:
    word, before = found.group(), found.string[: found.start()]
    if before[-1:].isdigit():
        return word
    possessive = before.endswith(("'", "’")) and word == "S"
    return word.lower() if possessive else word[0] + word[1:].lower()


def people(name: str) -> list[str]:
    """Everybody whom a cue names: "Mia and Tom" are two."""
    return [part for part in TOGETHER.split(name) if part]


@dataclass(frozen=True)
class Names:
    """The names of a script, as they are shown."""

    shown_names: tuple[str, ...]

    @classmethod
    def of(cls, elements: Iterable[Element]) -> Names:
        found = (name for element in elements for name in _named(element))
        return cls(tuple(dict.fromkeys(found))[:MOST_NAMES])

    @cached_property
    def _by_capitals(self) -> dict[str, str]:
        return {name.upper(): name for name in self.shown_names}

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        """Any of the names in any case, the longest first, and the word before it."""
        names = sorted(map(re.escape, self._by_capitals), key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:(\w+)(\s+))?({'|'.join(names)})(?!\w)", re.IGNORECASE) if names else None

    def shown(self, text: str) -> str:
        """A text with its names as people write them; small after an article: "the GUARD" is "the guard"."""
        return self._pattern.sub(self._written, text) if self._pattern else text

    def _written(self, found: re.Match[str]) -> str:
        before, space, name = found.groups()
        if not name.isupper():
            return found.group()
        after_article = (before or "").lower() in ARTICLES
        shown = self._by_capitals[name.upper()]
        return f"{before or ''}{space or ''}{shown.lower() if after_article else shown}"

    def within(self, text: str) -> list[str]:
        """The names in a text, in order. Words that are names elsewhere, such as "may", do not count."""
        return list(dict.fromkeys(self._within(text)))

    def _within(self, text: str) -> Iterator[str]:
        place = 0
        while self._pattern and (found := self._pattern.search(text, place)):
            before, _, name = found.groups()
            place = found.end()
            if name[0].isupper() or not name[0].islower() or (before or "").lower() in ARTICLES:
                yield self._person(self._by_capitals[name.upper()])

    def _person(self, name: str) -> str:
        """Ada, for Ada Fenn, where she goes by that too."""
        first = name.split()[0]
        return first if first in self.shown_names else name


def _named(element: Element) -> Iterator[str]:
    if element.kind == "cue":
        yield from people(cue_name(element.text))
    elif element.kind == "action":
        yield from _introduced(element.text)


def _introduced(text: str) -> Iterator[str]:
    """Names in capitals before an age."""
    for found in AGE.finditer(text):
        words, name = text[max(0, found.start() - 60) : found.start()].split(), list[str]()
        while words and words[-1].isupper() and len(name) < 4:
            name.insert(0, words.pop())
        if len(" ".join(name)) > 1:
            yield written(" ".join(name))
