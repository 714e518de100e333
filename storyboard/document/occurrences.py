"""Where words stand in a text: whole ones, so that the *cat* of a caterpillar is none.

Imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterator


def occurrences(text: str, words: str) -> Iterator[int]:
    """The places at which the words begin, letter by letter as they are written."""
    start = text.find(words)
    while start >= 0:
        if not (within_word(text, start) or within_word(text, start + len(words))):
            yield start
        start = text.find(words, start + 1)


def within_word(text: str, place: int) -> bool:
    """Whether two digits meet there, or two letters that have a case: scripts without put no spaces between words."""
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    return (before.isdigit() and after.isdigit()) or all(c.lower() != c.upper() for c in (before, after))


def named_in(text: str, name: str) -> list[tuple[int, int]]:
    """Characters of a text where a name stands, in order; one that begins with a small letter may begin a sentence."""
    forms = dict.fromkeys([name, capital(name)])
    return sorted((start, start + len(name)) for form in forms for start in occurrences(text, form))


def capital(words: str) -> str:
    """With a large first letter, where that is as long as the small one."""
    large = words[:1].upper()
    return large + words[1:] if len(large) == 1 else words
