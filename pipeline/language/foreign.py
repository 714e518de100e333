"""Syntax of other tools in a prompt: weights, tags and parameters. Here they do nothing, and are never remembered.

Covered: (word:1.3), (word)1.3, word++, ((word)), [word], [from:to:0.4], word::2, <lora:name:0.8>, BREAK, --ar 16:9.
A single pair of parentheses is ordinary punctuation.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_SWITCHES = "tile|fast|relax|turbo|hd|raw|draft|video|loop"
_PARAMETERS = (
    "ar|aspect|v|version|stylize|style|s|chaos|c|quality|q|seed|iw|niji|weird|w|stop|repeat|r|sref|cref|oref|cw|sw|ow|"
    "profile|p|exp|motion|end|steps|cfg|sampler|neg"
)
_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)"
_MARK = re.compile(
    r"(?P<tag><(?:lora|lyco|loha|lokr|hypernet|embedding|ti|segment)\s*:[^<>]*>|\b(?i:embedding):[\w.-]+)"
    rf"|(?P<weight>(?<=\D):{_NUMBER}\s*(?=[)\]}}])|:\d*\.\d+\s*(?=[)\]}}])|(?<=\w)::(?:{_NUMBER})?"
    r"|(?<=\))(?:\d+\.\d+|[+-]+)(?=[\s,.)]|$)|(?<=[^\W\d_]{2})(?:\+\++|--+)(?=[\s,.)]|$)|(?<=\(\()|\\(?=[()\[\]]))"
    r"|(?P<breaker>\bBREAK\b)"
    rf"|(?P<parameter>(?:(?<=\s)|^)(?:--(?:no\b.*?(?=\s--|$)|(?:{_SWITCHES})\b"
    rf"|(?:{_PARAMETERS})\b(?:[\s=]+(?!--)[\w.:/]+)?)|[\u2013\u2014](?:{_PARAMETERS})\s+{_NUMBER}(?::\d+)?(?!\w)))"
    r"|(?P<bracket>\[(?=[^\[\]]*\]))",
    re.DOTALL,
)
_NOTES = {
    "tag": "Tags like {} load nothing here.",
    "weight": "Weights like {} do nothing here: every word counts the same.",
    "bracket": "Square brackets like {} weaken nothing here.",
    "breaker": "{} splits nothing here: a full stop does.",
    "parameter": "Parameters like {} do nothing here: size, seed and the rest are set beside the prompt.",
}


@dataclass(frozen=True)
class Mark:
    """A piece of another tool's syntax: characters `start` to `end` of the prompt."""

    kind: str  # "tag", "weight", "breaker" or "parameter"
    start: int
    end: int

    @property
    def stands_for(self) -> str:
        """What is read in its place."""
        return "." if self.kind == "breaker" else " "


def _found(prompt: str) -> Iterator[re.Match[str]]:
    shouted = sum(c.isupper() for c in prompt) > sum(c.islower() for c in prompt)
    for found in _MARK.finditer(prompt):
        if found.lastgroup != "breaker" or not shouted:  # WAVES BREAK ON THE SHORE
            yield found


@lru_cache(maxsize=8192)
def marks(prompt: str) -> tuple[Mark, ...]:
    """What is no word of a prompt, in order: weights, tags, parameters. Brackets alone are punctuation."""
    return tuple(
        Mark(str(found.lastgroup), found.start(), found.end())
        for found in _found(prompt)
        if found.lastgroup != "bracket" and found.end() > found.start()
    )


@lru_cache(maxsize=8192)
def foreign_syntax(prompt: str) -> tuple[str, ...]:
    """A sentence for each kind of other tools' syntax in a prompt that says that it does nothing here; mostly none."""
    first: dict[str, str] = {}
    for found in _found(prompt):
        first.setdefault(str(found.lastgroup), _shown(prompt, found))
    return tuple(note.format(first[kind]) for kind, note in _NOTES.items() if kind in first)


def _shown(prompt: str, found: re.Match[str]) -> str:
    """The syntax with the word that it is put on: "(red coat:1.3)"."""
    start, end = found.span()
    if found.lastgroup in ("weight", "bracket"):
        opened = re.search(r"[(\[{]+[^()\[\]{}]*[)\]}]*$", prompt[: start + (found.lastgroup == "bracket")])
        start = opened.start() if opened else start
        closed = re.match(r"[^()\[\]{}]*[)\]}]+", prompt[end:]) if opened else None
        end += closed.end() if closed else 0
    shown = prompt[start:end].strip()
    return shown if len(shown) <= 40 else f"{shown[:39]}…"
