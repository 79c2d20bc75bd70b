"""Ratios of what was measured side by side, and how far they spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """A median and an interval around it, over `rounds` values.

    With six values or more the interval holds the median of all possible rounds with 95 %
    confidence, whatever their distribution; with fewer it is the smallest and the largest value.
    """

    median: float
    low: float
    high: float
    rounds: int


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError if there are no values."""
    if not values:
        raise ValueError("a median of nothing")
    ordered = sorted(values)
    rank = _rank(len(ordered))
    return Spread(statistics.median(ordered), ordered[rank], ordered[-1 - rank], len(ordered))


def paired(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """The ratio of each round. Raises ValueError if the rounds are not the same."""
    return [above / below for above, below in zip(numerators, denominators, strict=True)]


def _rank(count: int) -> int:
    """How many of `count` ordered values lie outside the interval on each side.

    Each value is above the true median or below it like a tossed coin, so an interval that leaves out
    `rank` values on each side misses it with probability 2 P(heads <= rank).
    """
    rank = 0
    exactly = at_most = 0.5**count
    while 2 * at_most <= 1 - CONFIDENCE:
        rank += 1
        exactly *= (count - rank + 1) / rank
        at_most += exactly
    return max(0, rank - 1)
