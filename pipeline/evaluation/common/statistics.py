"""Shares, differences and ratios of shares, with a bootstrap interval over stories."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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


NOTHING = Estimate(None, None, None, 0)


def total(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())


def estimate(tallies: Iterable[Tally]) -> Estimate:
    """All hits over all that was counted."""
    return _bootstrap([(tally,) for tally in tallies], lambda shares: shares[..., 0])


def difference(pairs: Iterable[tuple[Tally, Tally]]) -> Estimate:
    """The first share minus the second, paired: each pair is of one story, and stories are drawn with both."""
    return _bootstrap(list(pairs), lambda shares: shares[..., 0] - shares[..., 1])


def ratio(pairs: Iterable[tuple[Tally, Tally]]) -> Estimate:
    """The first share over the second, paired as in `difference`; None where the second is 0."""
    return _bootstrap(list(pairs), lambda shares: shares[..., 0] / shares[..., 1])


def _bootstrap(rows: Sequence[tuple[Tally, ...]], statistic: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """`statistic` of the shares (..., k); the interval is a percentile bootstrap over stories (Efron 1979).

    Stories in which nothing was counted are left out. So are draws, which are few, in which a share has no cases.
    """
    kept = [row for row in rows if any(tally.counted > 0 for tally in row)]
    if not kept:
        return NOTHING
    table = np.array([[(tally.hits, tally.counted) for tally in row] for row in kept])  # n k 2
    drawn = np.random.default_rng(0).integers(len(table), size=(RESAMPLES, len(table)))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = statistic(_shares(table.sum(0)))
        values = statistic(_shares(table[drawn].sum(1)))
    if not np.isfinite(value):
        return Estimate(None, None, None, len(kept))
    low, high = np.quantile(values[np.isfinite(values)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high), len(kept))


def _shares(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]
