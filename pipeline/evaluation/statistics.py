"""Shares with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Tally:
    """What one story adds to a measure: `hits` out of `counted`."""

    hits: float = 0.0
    counted: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.hits + other.hits, self.counted + other.counted)


@dataclass(frozen=True)
class Estimate:
    """A share, the ends of its 95% interval, and the number of stories that counted; None where there were none."""

    mean: float | None
    low: float | None
    high: float | None
    n: int

    def to_dict(self) -> dict[str, float | int | None]:
        return asdict(self)


def total(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())


def estimate(tallies: Iterable[Tally], seed: int = 0) -> Estimate:
    """All hits over all that was counted; the interval is a percentile bootstrap over stories (Efron 1979)."""
    pairs = np.array([(t.hits, t.counted) for t in tallies if t.counted > 0])
    if not len(pairs):
        return Estimate(None, None, None, 0)
    hits, counted = pairs.sum(0)
    drawn = np.random.default_rng(seed).integers(len(pairs), size=(RESAMPLES, len(pairs)))
    sums = pairs[drawn].sum(1)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(hits / counted), float(low), float(high), len(pairs))
