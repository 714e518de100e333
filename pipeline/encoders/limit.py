"""How long a text is for a text encoder, and whether it fits: one rule for prompts wherever they are typed or read."""

import math
import re
from dataclasses import dataclass
from typing import Protocol

from ..errors import ThroughlineError, TooLongError

_SURROGATE = re.compile("[\ud800-\udfff]")
NEAR = 0.75  # of the limit: from there on the room that is left is worth a word


class CountsTokens(Protocol):
    """What a limit needs of a text encoder."""

    max_tokens: int  # special tokens included

    def count_tokens(self, text: str) -> int: ...


@dataclass(frozen=True)
class TextLength:
    """The length of one text, counted as one encoder counts it."""

    text: str
    tokens: int  # special tokens included
    limit: int  # the most tokens that the encoder takes
    special: int  # tokens that every text has

    @property
    def fits(self) -> bool:
        return self.tokens <= self.limit

    @property
    def near(self) -> bool:
        """Whether it comes near the limit, or is beyond."""
        return self.tokens >= NEAR * self.limit

    @property
    def note(self) -> str:
        """The length in words, to show while someone types: "12 of 64 tokens, room for about 45 words"."""
        amount = self._amount(abs(self.limit - self.tokens), math.floor if self.fits else math.ceil)
        if self.fits:
            return f"{self.tokens} of {self.limit} tokens, " + (f"room for {amount}" if amount else "no room for more")
        return f"{self.tokens} tokens, at most {self.limit} are possible: {amount} too many"

    def _amount(self, tokens: int, whole) -> str:
        """About how many words that many tokens are at the rate of this text; letters where it has no spaces."""
        written = max(1, self.tokens - self.special)
        words = len(self.text.split())
        spaced = not words or written <= 4 * words
        rate = (words / written if words else 1.0) if spaced else len(self.text.strip()) / written
        count = whole(tokens * rate)
        unit = "word" if spaced else "letter"
        return f"about {count} {unit}{'' if count == 1 else 's'}" if count else ""

    def check(self, name: str = "prompt") -> None:
        """Raises TooLongError with the length and how the text begins if it does not fit."""
        if not self.fits:
            start = f"{self.text[:40]}…" if len(self.text) > 40 else self.text
            raise TooLongError(f'{name} has {self.tokens} tokens, at most {self.limit} are possible: "{start}"')


def check_unicode(text: str) -> None:
    """Raises ThroughlineError for half of a surrogate pair."""
    if _SURROGATE.search(text):
        raise ThroughlineError(f"prompt {text[:40]!r} holds half of a surrogate pair: expected valid Unicode")


def text_length(encoder: CountsTokens, text: str) -> TextLength:
    """The length of `text` for `encoder`. Raises ThroughlineError for half of a surrogate pair."""
    return TextLength(text, encoder.count_tokens(text), encoder.max_tokens, encoder.count_tokens(""))
