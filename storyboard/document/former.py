"""What a scene keeps of itself when few of its words change: its former take, for the method a past scene that the
film does not show.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .values import Digest, Flag, Id, Text, Value

MOST_CHANGED = 4  # words in a row that one phrase has: "with long brown hair"
HAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # letters without spaces between words: each counts as one
_WORD = re.compile(rf"[{HAN}]|[^\s{HAN}]+")


class FormerTake(Value):
    """The take that a scene showed before its words were edited. It says all that rendering needs: the take may be
    deleted."""

    told_as = "former take"

    take: Id | None = None  # None if it can't be told
    prompt: Text  # the take's own
    keyframe: Digest
    on: Flag | None = None  # whether the scene keeps the rest of it; None: if few words changed

    def kept_for(self, prompt: str) -> bool:
        """Whether a scene of these words keeps the rest of it."""
        on = few_words_changed(self.prompt, prompt) if self.on is None else self.on
        return on and self.prompt != prompt


@lru_cache(maxsize=4096)
def few_words_changed(before: str, now: str) -> bool:
    """Whether one phrase changed: at most MOST_CHANGED words in a row, and at most half of all words."""
    a, b = (_WORD.findall(text) for text in (before, now))
    longer, place = max(len(a), len(b)), 0
    while place < min(len(a), len(b)) and a[place] == b[place]:
        place += 1
    a, b = a[place:], b[place:]
    while a and b and a[-1] == b[-1]:
        a.pop()
        b.pop()
    changed = max(len(a), len(b))
    return changed <= min(MOST_CHANGED, longer / 2)


@dataclass(frozen=True)
class Former:
    """What a scene showed before as its own past: a former take, or the picture with which it begins."""

    id: str  # of the scene
    prompt: str
    keyframe: str
    begins: bool = False  # whether it is that picture
