"""How long a prompt is for a model, before the model is loaded: from its tokenizer's files alone.

Imports no torch, so that a page can say it at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ..encoders.limit import check_unicode
from ..encoders.minilm import find_minilm
from .checkpoints import check_folder
from .registry import class_of, prompts_of

USUAL_LIMIT = 226  # tokens: what a transformer takes whose configuration does not tell (diffusers)
KEPT_COUNTS = 4096  # texts


class TokenCounter:
    """Counts as the text encoder of a model does (`encoders.limit.CountsTokens`). Safe for threads.

    load: gives a function from texts to numbers of tokens, special ones included; called once, at the first text.
    max_tokens: the most that the model takes.
    """

    def __init__(self, load: Callable[[], Callable[[str], int]], max_tokens: int) -> None:
        self._load, self.max_tokens = load, max_tokens

    @classmethod
    def of(cls, folder: Path) -> TokenCounter:
        """That of the model in a folder that `checkpoints.find` gave. Raises WeightsError if it lacks its tokenizer."""
        named = class_of(check_folder(folder), "tokenizer")
        place = folder / "tokenizer" if named else find_minilm()
        rules = prompts_of(folder)
        if rules is None:
            config = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
            return cls(lambda: _tokenizer(place, named), config.get("max_text_seq_length", USUAL_LIMIT))

        def cleaned() -> Callable[[str], int]:
            count = _tokenizer(place, named)
            return lambda text: count(rules.clean(text))

        return cls(cleaned, rules.MAX_TOKENS)

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special ones included. Raises ThroughlineError for half of a surrogate pair."""
        check_unicode(text)
        return self._count(text)

    @cached_property
    def _count(self) -> Callable[[str], int]:
        return lru_cache(maxsize=KEPT_COUNTS)(self._load())


def _tokenizer(folder: Path, named: str | None) -> Callable[[str], int]:
    """By its `tokenizer.json`; transformers reads older formats, and takes its time."""
    from tokenizers import Tokenizer

    if (folder / "tokenizer.json").is_file():
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return lambda text: len(tokenizer.encode(text).ids)
    import transformers

    older: Any = getattr(transformers, named or "AutoTokenizer").from_pretrained(folder, local_files_only=True)
    return lambda text: len(older(text, truncation=False, padding=False, verbose=False)["input_ids"])
