"""First-block caching: a step whose first block changes the video as the step before did reuses what the rest did then.

After ParaAttention's First Block Cache, which builds on TeaCache (Liu et al. 2024, arXiv 2411.19108). Each branch of
each clip has a cache of its own, made with the clip, so that nothing leaks from one to another or outlives a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import ThroughlineError
from ..guidance import Guidance


@dataclass(frozen=True)
class Speed:
    """How a clip is made with less work. threshold: of the relative change of what the first block adds, under which
    the other blocks are passed over; 0 for never. until: the share of the steps after which none is, for nothing makes
    up for what is left out at last. end: the share of the steps after which nothing guides any more."""

    threshold: float = 0.0
    until: float = 1.0
    end: float = 1.0

    def guiding(self, guidance: Guidance) -> Guidance:
        return (
            guidance
            if guidance.end <= self.end
            else replace(guidance, start=min(guidance.start, self.end), end=self.end)
        )


EXACT = Speed()
SPEEDS = {"exact": EXACT, "fast": Speed(threshold=0.15, until=0.8, end=0.9)}


def find_speed(name: str) -> Speed:
    """Raises ThroughlineError for what is none of SPEEDS."""
    if name not in SPEEDS:
        raise ThroughlineError(f"speed is {name!r}: expected one of {', '.join(SPEEDS)}")
    return SPEEDS[name]


class Caches:
    """Those of a clip, or of a batch of clips, by branch."""

    def __init__(self, speed: Speed) -> None:
        self.speed, self._open = speed, True
        self._caches: dict[tuple[int, str], BlockCache] = {}

    def begin(self, rows: Sequence[tuple[int, str]], share: float = 0.0) -> None:
        """A step of these branches, after `share` of all steps: what a branch kept that was left out since is of no
        use any more."""
        self._open = share < self.speed.until
        self._caches = {row: self._caches.get(row) or BlockCache(self.speed.threshold) for row in rows}

    def of(self, rows: Sequence[tuple[int, str]]) -> list[BlockCache] | None:
        """None for none, if nothing is to be passed over."""
        return [self._caches[row] for row in rows] if self.speed.threshold and self._open else None


@dataclass(eq=False)
class BlockCache:
    """Of one branch of one clip. first: what the first block added to the video, (N, d), when the others last ran.
    rest: what they added then. passed: how many steps did without them."""

    threshold: float
    first: Tensor | None = None
    rest: Tensor | None = None
    passed: int = 0

    def is_due(self, first: Tensor) -> bool:
        """Whether the other blocks have to run. first: what the first block adds now."""
        if self.first is None or self.rest is None:
            return True
        change = (first - self.first).abs().mean() / self.first.abs().mean()
        return not bool(change < self.threshold)  # not a number: it is due

    def keep(self, first: Tensor, rest: Tensor) -> None:
        self.first, self.rest = first, rest


def due_rows(caches: Sequence[BlockCache], before: Tensor, after: Tensor) -> list[int]:
    """The rows of a batch whose other blocks have to run. before, after: video (B, N, d) around the first block."""
    due = [i for i, cache in enumerate(caches) if cache.is_due(after[i] - before[i])]
    for i in set(range(len(caches))) - set(due):
        caches[i].passed += 1
    return due


def reassembled(
    caches: Sequence[BlockCache], due: Sequence[int], before: Tensor, after: Tensor, made: Tensor | None
) -> Tensor:
    """The video after the last block. made: of the rows that are due, None if none is; theirs are kept."""
    rows = list[Tensor]()
    for i, cache in enumerate(caches):
        if i in due:
            assert made is not None
            row = made[due.index(i)]
            cache.keep(after[i] - before[i], row - after[i])
        else:
            assert cache.rest is not None
            row = after[i] + cache.rest
        rows.append(row)
    return torch.stack(rows)
