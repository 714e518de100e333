"""Fountain (fountain.io/syntax) to elements, by the parser of fountain-py.

The text is prepared for it: its cues are of English capitals alone, so that others are marked as such; carets of dual
dialogue go, which leaves two speeches one after the other. Nothing is kept of emphasis and of pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fountain import ElementType, FountainElement, FountainParser

from pipeline.errors import ThroughlineError

from .elements import Element, Kind, Screenplay, one_line

MOST_LETTERS_A_LINE = 4000  # a paragraph of prose has some hundreds
MOST_NOTES = 5000
HEADING = re.compile(r"\s*(?:INT|EXT|EST|I/E|INT/EXT|INT\./EXT)(?:\s*\.|\s)", re.IGNORECASE)
TRANSITION = re.compile(r"[^a-z]*(?:TO|IN|OUT|BLACK)[:.]")
MARKS = tuple("@!>.~#=[(*_/")  # begin a line that is no plain cue
NOTE = re.compile(r"\[\[([^\[\]]+)\]\]")
DUAL = re.compile(r"\s*\^+\s*$")
KINDS: dict[ElementType, Kind] = {
    ElementType.SCENE_HEADING: "heading",
    ElementType.ACTION: "action",
    ElementType.CHARACTER: "cue",
    ElementType.PARENTHETICAL: "manner",
    ElementType.DIALOGUE: "dialogue",
    ElementType.LYRICS: "lyric",
    ElementType.NOTE: "note",
    ElementType.SYNOPSIS: "synopsis",
    ElementType.TRANSITION: "transition",
}


def read_fountain(text: str) -> Screenplay:
    """Raises ThroughlineError for lines and notes beyond all measure, which would take minutes to read."""
    kept, boneyards = _without_boneyards(text)
    lines = _prepared(kept.splitlines())
    _check(lines)
    found = FountainParser().parse("\n".join(lines))
    title = one_line(re.sub(r"[*_]{1,3}", "", str(found.metadata.get("title") or "")))
    told = [f"title page: {name}" for name in found.metadata if name.lower() != "title"]
    told += [f"{boneyards} passage{'' if boneyards == 1 else 's'} cut out with /* */"] if boneyards else []
    elements = sorted([*_elements(found.elements), *_notes_in_lines(lines)], key=lambda element: element.line)
    return Screenplay(title, tuple(elements), tuple(told))


def _without_boneyards(text: str) -> tuple[str, int]:
    """A text without what is commented out, but with its line ends; and how many passages that were."""
    kept, *rest = text.split("/*")
    found, count = [kept], 0
    for part in rest:
        cut, end, after = part.partition("*/")
        count += bool(end)
        found.append("\n" * cut.count("\n") + after if end else f"/*{part}")
    return "".join(found), count


def _notes_in_lines(lines: list[str]) -> Iterator[Element]:
    """Notes within a line of something else, which the parser leaves out."""
    for number, line in enumerate(lines, 1):
        for found in NOTE.finditer(line):
            if found.group() != line.strip():
                yield Element("note", found.group(1).strip(), number)


def _check(lines: list[str]) -> None:
    for number, line in enumerate(lines, 1):
        if len(line) > MOST_LETTERS_A_LINE:
            raise ThroughlineError(
                f"line {number} of the script has {len(line)} letters: expected at most {MOST_LETTERS_A_LINE}"
            )
    notes = sum(line.count("[[") for line in lines)
    if notes > MOST_NOTES:
        raise ThroughlineError(f"script has {notes} notes: expected at most {MOST_NOTES}")


def _prepared(lines: list[str]) -> list[str]:
    """The same lines, so that numbers stay, with every cue as the parser knows it."""
    found = [re.sub(r"\[{3,}", "[[", line) for line in lines]
    for index, line in enumerate(lines):
        before = found[index - 1] if index else ""
        after = lines[index + 1] if index + 1 < len(lines) else ""
        if not before.strip() and after.strip() and _is_cue(line):
            found[index] = "@" + DUAL.sub("", line.strip().removeprefix("@"))
    return found


def _is_cue(line: str) -> bool:
    """Whether a line between an empty one and one with words is a name in capitals, or one that is marked so."""
    name = DUAL.sub("", line.strip()).partition("(")[0].strip()
    if line.lstrip().startswith("@"):
        return bool(name[1:])
    if not name or line.lstrip().startswith(MARKS) or name.endswith((":", "!", "?", ",", ";")):
        return False
    return name.isupper() and not HEADING.match(line) and not TRANSITION.fullmatch(name)


def _elements(found: list[FountainElement]) -> Iterator[Element]:
    for element in found:
        text = element.text.strip()
        if element.type == ElementType.NOTE:
            text = text.removeprefix("[[").removesuffix("]]").strip()
        if element.type in KINDS and text:
            yield Element(KINDS[element.type], _with_extension(text, element), element.line_number)
        elif element.type in (ElementType.SECTION, ElementType.CENTERED) and text:
            name = "section" if element.type == ElementType.SECTION else "centred"
            yield Element("other", f"{name}: {text}", element.line_number)


def _with_extension(text: str, element: FountainElement) -> str:
    """A cue as it stands in the script: MIA (V.O.)."""
    extension = element.metadata.get("extension") if element.type == ElementType.CHARACTER else None
    return f"{text} ({extension})" if extension else text
