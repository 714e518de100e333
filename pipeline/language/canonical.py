"""One form of letters and signs for matching, and where each of its characters stands in the user's own text.

People paste prompts from chats, word processors and other tools: with typographic hyphens, primes for apostrophes, soft
hyphens, joiners, letters of full width, and the syntax of other tools (`pipeline.language.foreign`). All of them are
written one way here before anything is compared. Compatibility forms are unified (NFKC, Unicode Annex 15) where one
letter or number stands for the same ones; fractions, symbols and units stay as they are. An em dash without spaces
stays a break between two clauses. Not covered: letters of one alphabet used for those of another (Cyrillic а for a).
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from . import foreign

EMOJI = "\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff"

_SIGNS = {
    "-": "\u2010\u2011\u2012\u2013\u2043\u2212",
    "'": "\u2018\u2019\u201a\u201b\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb\u2032\u2035\u00b4`\ua78c\u055a\u05f3",
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u2033\u2036\u301d\u301e\u301f\u275d\u275e\u02ba\u05f4",
    " ": "\u200b\u3164\uffa0\u2800",
    "~": "\u301c\u223c",
}
_ONE_SIGN = {ord(other): sign for sign, others in _SIGNS.items() for other in others}
_NOTHING = frozenset("\u00ad\u034f\u061c\u180e\u200c\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff")
_NOTHING |= frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xFE00, 0xFE10))))
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")  # kept behind an emoji, which they belong to
_COMPATIBLE = re.compile("[\u2100-\u2188\u2460-\u24ff\ufb00-\ufdff\ufe50-\uffef\U0001d400-\U0001d7ff]")
# A character and the marks that compose with it; Hangul written as single letters
_MARKS = "[\u0300-\u036f\u0653-\u0655\u093c\u3099\u309a\uff9e\uff9f]"
_CLUSTER = re.compile(rf"[\u1100-\u115f][\u1160-\u11a7][\u11a8-\u11ff]?|.{_MARKS}*", re.DOTALL)
_AFTER_EMOJI = re.compile(f"[{EMOJI}\ufe0e\ufe0f\u20e3\u200d]")


@dataclass(frozen=True)
class Canonical:
    """The canonical form of a text. A character of it stands for characters `starts[i]` to `ends[i]` of the text."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def outer(self, start: int, end: int) -> tuple[int, int]:
        """Characters of the user's text for characters `start` to `end` of this one (not empty)."""
        return self.starts[start], self.ends[end - 1]

    def inner(self, start: int, end: int) -> tuple[int, int]:
        """Characters of this text for characters `start` to `end` of the user's."""
        return bisect_left(self.starts, start), bisect_left(self.starts, end)


@lru_cache(maxsize=8192)
def canonical(text: str) -> Canonical:
    """The canonical form of `text`; the same text where it is written plainly."""
    pieces = [piece for piece in _pieces(text) if piece[0]]
    return Canonical(
        "".join(written for written, _, _ in pieces),
        tuple(start for written, start, _ in pieces for _ in written),
        tuple(end for written, _, end in pieces for _ in written),
    )


def _pieces(text: str) -> Iterator[tuple[str, int, int]]:
    """(canonical characters, start, end) of each cluster of `text`, in order; what says nothing gives ''."""
    at = 0
    for mark in (*foreign.marks(text), None):
        until = mark.start if mark else len(text)
        for found in _CLUSTER.finditer(text, at, until):
            yield _written(found.group(), text[: found.start()][-1:]), found.start(), found.end()
        if mark:
            yield mark.stands_for, mark.start, mark.end
            at = mark.end


def _written(cluster: str, before: str) -> str:
    if cluster in _JOINERS:
        return cluster if _AFTER_EMOJI.match(before) else ""
    if cluster in _NOTHING:
        return ""
    if _COMPATIBLE.match(cluster):
        unified = unicodedata.normalize("NFKC", cluster)
        cluster = unified if len(unified) == 1 or (unified.isalnum() and cluster not in "№™℡") else cluster
    return unicodedata.normalize("NFC", cluster).translate(_ONE_SIGN)
