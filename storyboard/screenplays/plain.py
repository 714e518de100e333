"""Plain text: a script by its headings, or else a scene a paragraph, with lines such as "Mia: Who is there?"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .elements import Element, Screenplay, one_line
from .fountain import HEADING, read_fountain

NUMBERED = re.compile(r"\s*(?:(?:scene|shot|panel)\s*\d+|\d+)\s*[.:)\-–—]\s*", re.IGNORECASE)
SPOKEN = re.compile(r"([^\W\d_][\w'’. -]{0,40}?)\s*(\([^()]{1,100}\))?\s*[:：]\s+(\S.*)")
MOST_WORDS = 3  # of a speaker's name


def read_text(text: str) -> Screenplay:
    """Raises as `read_fountain` does."""
    if any(HEADING.match(line) for line in text.splitlines()):
        return read_fountain(text)
    return Screenplay("", tuple(_elements(text.splitlines())))


def _elements(lines: list[str]) -> Iterator[Element]:
    """A scene a paragraph; a scene a line where there are no paragraphs."""
    blank = any(not line.strip() for line in "\n".join(lines).strip().split("\n"))
    begins = True
    for number, line in enumerate(lines, 1):
        said = SPOKEN.fullmatch(line.strip())
        if said and len(said.group(1).split()) <= MOST_WORDS and not NUMBERED.match(line):
            yield from _spoken(said, number)
        elif line.strip():
            if begins or not blank:
                yield Element("heading", "", number)
            yield Element("action", one_line(NUMBERED.sub("", line, count=1)), number)
            begins = False
        else:
            begins = True


def _spoken(said: re.Match[str], number: int) -> Iterator[Element]:
    speaker, manner, text = said.groups()
    yield Element("cue", speaker, number)
    if manner:
        yield Element("manner", manner, number)
    yield Element("dialogue", text, number)
