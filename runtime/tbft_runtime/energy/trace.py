"""Samples of a meter, and the joules between any two moments."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tbft_runtime.meters.meter import Sample

# Two samples further apart than this say nothing of the time between them: a meter was away.
LONGEST_GAP_SECONDS, LONGEST_GAP_SPACINGS = 1.0, 5
# How fast the usual spacing follows: by the last ten or so.
_FOLLOW = 0.1


@dataclass(frozen=True)
class Drawn:
    """What was drawn in some stretches of time: joules, and the seconds of them that samples cover."""

    joules: float
    covered: float


@dataclass
class PowerTrace:
    """Samples in order of time.

    Watts are integrated by the trapezoidal rule, except over gaps: intervals much longer than usual. A
    counter says it all, however late it is read. Energy is never extrapolated: before the first sample and
    after the last nothing is covered.
    """

    measures: Literal["watts", "joules"]
    seconds: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))
    # Whether the interval that ends with a sample is known.
    _known: bytearray = field(default_factory=bytearray)
    _spacing: float | None = None
    # A first interval that is a gap, or the spacing of a slow meter: the second one will tell.
    _doubtful: float | None = None

    def add(self, samples: Sequence[Sample]) -> None:
        """Append samples; one that is not later than the last is dropped, since an integral needs an order."""
        for sample in samples:
            passed = sample.seconds - self.seconds[-1] if self.seconds else 0.0
            if self.seconds and passed <= 0:
                continue
            self._known.append(self.measures == "joules" or self._is_usual(passed))
            self.seconds.append(sample.seconds)
            self.values.append(sample.value)

    def drawn(self, began: np.ndarray, ended: np.ndarray) -> Drawn:
        """Over all stretches from `began[i]` to `ended[i]` (n,), in seconds of `time.perf_counter`."""
        times, joules, covered = self._intervals(began.min(), ended.max(), 1)
        return Drawn(_between(times, joules, began, ended), _between(times, covered, began, ended))

    def sampling_difference(self, began: float, ended: float) -> float:
        """By how many joules the result would differ with every other sample: how much sampling can be trusted."""
        whole, half = (self._intervals(began, ended, every) for every in (1, 2))
        stretch = np.array([began]), np.array([ended])
        return _between(half[0], half[1], *stretch) - _between(whole[0], whole[1], *stretch)

    def count(self, began: float, ended: float) -> int:
        """How many samples lie in a stretch."""
        return bisect_right(self.seconds, ended) - bisect_left(self.seconds, began)

    def forget(self, before: float) -> None:
        """Drop samples that no stretch from `before` on needs, so that a long run does not grow."""
        keep = max(0, bisect_left(self.seconds, before) - 2)
        for column in (self.seconds, self.values, self._known):
            del column[:keep]

    def _is_usual(self, passed: float) -> bool:
        if not self.seconds:
            return True
        if self._spacing is None:
            self._spacing = passed
            if passed > LONGEST_GAP_SECONDS:
                self._doubtful = passed
                return False
        elif self._doubtful is not None:
            if self._doubtful <= LONGEST_GAP_SPACINGS * passed:
                self._known[-1] = True
            else:
                self._spacing = passed
            self._doubtful = None
        usual = passed <= max(LONGEST_GAP_SECONDS, LONGEST_GAP_SPACINGS * self._spacing)
        if usual:
            self._spacing += _FOLLOW * (passed - self._spacing)
        return usual

    def _intervals(self, began: float, ended: float, every: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times (n,), and joules and covered seconds (n - 1,) in between, around a stretch; `every` 1 or 2 samples."""
        part = slice(max(0, bisect_left(self.seconds, began) - 2), bisect_right(self.seconds, ended) + 2)
        times, values = np.array(self.seconds[part]), np.array(self.values[part])
        known = np.frombuffer(bytes(self._known[part]), np.bool_)
        if every == 2:
            # Only between two known intervals a sample is not missed; what is covered stays the same.
            inner = np.zeros(len(times), np.bool_)
            inner[1:-1:2] = (known[1:-1] & known[2:])[::2]
            times, values, known = times[~inner], values[~inner], known[~inner]
        passed = np.diff(times)
        if self.measures == "joules":
            return times, np.diff(values), passed
        return times, (values[1:] + values[:-1]) / 2 * passed * known[1:], passed * known[1:]


def _between(times: np.ndarray, amounts: np.ndarray, began: np.ndarray, ended: np.ndarray) -> float:
    """What of the amounts (n - 1,) between times (n,) falls into the stretches, evenly spread in each interval."""
    if len(times) < 2:
        return 0.0
    total = np.concatenate([[0.0], np.cumsum(amounts)])
    return float((np.interp(ended, times, total) - np.interp(began, times, total)).sum())
