"""What the text filter decides about pairs of prompts, asked once and kept across restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import TooLongError

from ..document.filter_cache import Targets, Words
from ..store.pairs import Found, PairStore

if TYPE_CHECKING:
    from pipeline.text_filter import TextFilter


WORTH_READING = 8  # past prompts: fewer are decided sooner than looked up, as after every edit


class KeptPairs:
    """`document.filter_cache.Pairs`. filter: called when it is first needed, for it takes its time to load."""

    def __init__(self, filter: Callable[[], TextFilter], store: PairStore) -> None:
        self._filter, self._store = filter, store

    def targets(self, past_prompts: Sequence[str], prompt: str, threshold: float | None) -> Iterator[Targets]:
        """Raises ThroughlineError as the filter does."""
        filter = self._filter()
        filter.check(prompt)
        known = self._known(past_prompts, prompt, threshold)
        new = [past for past in past_prompts if past not in known and self._is_read(past)]
        asked, found = filter.targets(new, prompt, threshold), dict[str, Targets]()
        for past in past_prompts:
            if past in known:
                yield known[past] if self._is_read(past) else ()
            elif self._is_read(past):
                found[past] = next(asked)
                yield found[past]
            else:
                yield ()
        if filter.digest:
            self._store.add(filter.digest, prompt, threshold, found)

    def _known(self, past_prompts: Sequence[str], prompt: str, threshold: float | None) -> Found:
        version = self._filter().digest
        if len(past_prompts) < WORTH_READING or not version:
            return {}
        return self._store.read(version, prompt, threshold, past_prompts)

    def words(self, past: str, prompt: str, targets: Targets) -> tuple[Words, Words]:
        return self._filter().words(past, prompt, targets)

    def _is_read(self, past: str) -> bool:
        """Whether the model that generates takes so long a prompt: that is no part of what is kept."""
        try:
            self._filter().check(past)
        except TooLongError:
            return False
        return True
