"""How often something took how long: a few numbers, however often it was."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import numpy as np

from tbft_artifacts.structs import Milliseconds, Some

# A bin reaches from its lower end to so many times that. Its middle stands for all in it, half a percent off at most.
WIDTH = 1.01
# Where bin 0 begins; what is shorter is counted there.
SHORTEST_MS = 1e-3

# That of the longest laps, of 30 years.
LAST_BIN = 3500

# Bin -> how many laps it holds.
Bins = Mapping[int, int]
# As others may have written one: a power of WIDTH is taken of it.
Bin = Annotated[int, msgspec.Meta(ge=0, le=LAST_BIN)]


class Laps(msgspec.Struct, frozen=True):
    """Laps of one stretch: their sum in milliseconds, the bin of the first one, and (bin, how many)."""

    ms: Milliseconds
    first: Bin | None
    bins: Annotated[tuple[tuple[Bin, Some], ...], msgspec.Meta(max_length=LAST_BIN + 1)]

    @classmethod
    def of(cls, laps_ms: Sequence[float]) -> Laps:
        """Of laps in milliseconds, in order."""
        bins = list(map(_bin, laps_ms))
        return cls(round(sum(laps_ms), 3), bins[0] if bins else None, tuple(sorted(Counter(bins).items())))

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(count for _, count in self.bins)


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in milliseconds over `count` laps, within half a percent; `warm_up` laps were left out before."""

    count: int
    warm_up: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass
class LapSum:
    """Laps of several stretches together."""

    ms: float = 0.0
    _all: Counter[int] = field(default_factory=Counter)
    _warming: Counter[int] = field(default_factory=Counter)

    def add(self, laps: Laps, *, warms_up: bool) -> None:
        """A stretch that warms up leaves its first lap out."""
        self.ms += laps.ms
        self._all.update(dict(laps.bins))
        if warms_up and laps.first is not None:
            self._warming[laps.first] += 1

    def warm(self) -> tuple[Bins, int]:
        """The bins without laps that warm up, and how many those are; if nothing is left then, none is left out."""
        warm = self._all - self._warming
        return (warm, self._warming.total()) if warm else (self._all, 0)

    def latency(self) -> Latency | None:
        """Percentiles of warm laps; None without any lap."""
        bins, warm_up = self.warm()
        count = sum(bins.values())
        if not count:
            return None
        p50, p95, p99 = (_percentile(bins, share) for share in (0.5, 0.95, 0.99))
        return Latency(count=count, warm_up=warm_up, p50_ms=p50, p95_ms=p95, p99_ms=p99)


def histogram(bins: Bins, most: int) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Edges in milliseconds, and how many laps are between them, at most `most` groups of neighbouring bins."""
    first, last = min(bins), max(bins)
    size = -(-(last - first + 1) // most)
    starts = range(first, last + 1, size)
    counts = tuple(sum(bins.get(each, 0) for each in range(start, start + size)) for start in starts)
    return tuple(_edge(start) for start in (*starts, starts[-1] + size)), counts


def _bin(ms: float) -> int:
    return min(LAST_BIN, math.floor(math.log(ms / SHORTEST_MS) / math.log(WIDTH))) if ms > SHORTEST_MS else 0


def _edge(number: float) -> float:
    return float(SHORTEST_MS * WIDTH**number)


def _percentile(bins: Bins, share: float) -> float:
    """Between the two laps around that share (0 to 1) of all, in proportion, as `numpy.percentile` does."""
    numbers = sorted(bins)
    ends = np.cumsum([bins[number] for number in numbers])
    rank = share * (ends[-1] - 1)
    low, high = (_edge(numbers[int(np.searchsorted(ends, at, "right"))] + 0.5) for at in (int(rank), math.ceil(rank)))
    return float(low + (high - low) * (rank - int(rank)))
