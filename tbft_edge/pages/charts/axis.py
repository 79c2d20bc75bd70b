"""Axes: from figures to places, with round ticks."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TICKS = 5
# A linear axis hides small values if the largest is so many times as large.
_HIDDEN = 1000
_DECADES = 6
_LEAST, _MOST = 1e-300, 1e307
# Beyond, neighbouring numbers are too far apart for ticks between them.
_FAR = 1e12


@dataclass(frozen=True)
class Axis:
    """Reaches from `low` to `high`, both finite and different."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value is: 0 at the low end, 1 at the high one; values beyond stay at the ends."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        # Each divided first: the difference of two large values may be no number.
        return (value / 2 - low / 2) / (high / 2 - low / 2)


def nice_step(largest: float) -> float:
    """1, 2 or 5 times a power of ten, so that about `TICKS` of them reach `largest`. Raises ValueError for 0."""
    if not (largest > 0 and math.isfinite(largest)):
        raise ValueError(f"no axis reaches {largest}")
    rough = largest / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def from_zero(values: Iterable[float], least_step: float = 0.0) -> Axis:
    """From 0 to the next tick above the largest value; to 1 where there is none above 0."""
    largest = max((value for value in values if math.isfinite(value)), default=0.0)
    # The next tick above the largest number would be none.
    largest = min(largest, _MOST) if largest > _LEAST else 1.0
    step = max(nice_step(largest), least_step)
    return _linear(0, max(1, math.ceil(largest / step * 0.999)), step)


def around(values: Iterable[float], least: float) -> Axis:
    """From the tick below the smallest to that above the largest value, `least` or more apart."""
    finite = [min(max(value, -_FAR), _FAR) for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    step = nice_step(high - low)
    return _linear(math.floor(low / step), math.ceil(high / step), step)


def magnitudes(values: Iterable[float]) -> Axis:
    """From zero, or logarithmic where that would hide the smaller values."""
    finite = [value for value in values if math.isfinite(value)]
    positive = [value for value in finite if value > _LEAST]
    if len(positive) < 2 or max(positive) <= _HIDDEN * min(positive):
        return from_zero(finite)
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    each = math.ceil((high - low) / _DECADES)
    last = low + each * math.ceil((high - low) / each)
    ticks = tuple(10.0**power for power in range(low, last + 1, each) if power <= sys.float_info.max_10_exp)
    return Axis(10.0**low, max(ticks[-1], *positive), ticks, logarithmic=True)


def grouped(count: int, most: int) -> int:
    """How many neighbours of `count` things go together so that at most `most` groups are left."""
    return max(1, -(-count // most))


def few(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most `most` of the points in order: of each stretch the lowest and the highest, which a line shows."""
    size = grouped(len(points), most // 2)
    if size <= 2:
        return list(points)
    kept = []
    for start in range(0, len(points), size):
        stretch = range(start, min(start + size, len(points)))
        ends = {min(stretch, key=lambda i: points[i][1]), max(stretch, key=lambda i: points[i][1])}
        kept += [points[index] for index in sorted(ends)]
    return kept


def _linear(first: int, last: int, step: float) -> Axis:
    ticks = tuple(index * step for index in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)
