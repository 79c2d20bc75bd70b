"""Which candidates are compared, and which one wins: no clock in here.

One coordinate after the other is varied and the faster value kept, instead of trying every combination,
whose number is their product. Since the best value of one may depend on another, passes go on until
one changes nothing. In the end all that was chosen meets the default once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import msgspec
import numpy as np

from tbft_artifacts.plan import Plan
from tbft_runtime.tuning.record import Coordinate, Timing, TuningCandidate, TuningComparison

# Threads come first: they decide how many images of a batch one thread gets. The prefix depends on threads alone.
ORDER: tuple[Coordinate, ...] = get_args(Coordinate)

Compare = Callable[[Coordinate | None, TuningCandidate, TuningCandidate], TuningComparison | None]


@dataclass(frozen=True)
class Space:
    """What may be varied: up to `cores` threads, or those of the candidate if `cores` is None."""

    plan: Plan
    batch_size: int
    cores: int | None

    def alternatives(self, coordinate: Coordinate, candidate: TuningCandidate) -> list[TuningCandidate]:
        """Candidates that differ from `candidate` in `coordinate` alone, and may differ in time."""
        now = candidate.value(coordinate)
        if coordinate == "threads":
            counts = [] if self.cores is None else _powers_of_two(self.cores)
            return [msgspec.structs.replace(candidate, threads=count) for count in counts if count != now]
        values: Sequence[object] = ()
        if coordinate == "gradient_form":
            values = self.plan.gradient_forms
        elif coordinate == "prefix_form":
            values = self.plan.prefix_forms
        elif coordinate == "micro_batch" and not self.plan.batch_statistics:
            # Half and double, and from there on where that was faster: many images at once take much memory. No
            # thread ever takes more than its share.
            share = -(-self.batch_size // candidate.threads)
            now = min(candidate.execution.micro_batch, share)
            values = (max(1, now // 2), min(2 * now, share))
        elif coordinate == "spinning" and not self.plan.divides and candidate.threads > 1:
            # Statistics of the whole batch need all threads together; elsewhere none waits for another.
            values = (False, True)
        return [
            TuningCandidate(candidate.threads, msgspec.structs.replace(candidate.execution, **{coordinate: value}))
            for value in values
            if value != now
        ]


def search(
    default: TuningCandidate, space: Space, compare: Compare
) -> tuple[TuningCandidate, list[TuningComparison], bool]:
    """The best candidate, what was compared on the way, and whether `compare` had time for everything.

    `compare` returns None where the time is up, but not for the last comparison, whose coordinate is None.
    """
    best, comparisons, finished = _pass_by_pass(default, space, compare)
    last = None if best == default else compare(None, default, best)
    if last is None:
        return best, comparisons, finished
    return (best if last.taken else default), [*comparisons, last], finished


def _pass_by_pass(
    start: TuningCandidate, space: Space, compare: Compare
) -> tuple[TuningCandidate, list[TuningComparison], bool]:
    best = start
    comparisons: list[TuningComparison] = []
    met: set[frozenset[TuningCandidate]] = set()
    changed = True
    while changed:
        changed = False
        for coordinate in ORDER:
            for other in space.alternatives(coordinate, best):
                # The best may have changed meanwhile, in the same coordinate.
                pair = frozenset((best, other))
                if pair in met:
                    continue
                comparison = compare(coordinate, best, other)
                if comparison is None:
                    return best, comparisons, False
                met.add(pair)
                comparisons.append(comparison)
                if comparison.taken:
                    best, changed = other, True
    return best, comparisons, True


def timing(candidate: TuningCandidate, ms: Sequence[float]) -> Timing:
    """With median and quartiles."""
    lower, median, upper = (float(value) for value in np.percentile(ms, [25, 50, 75]))
    return Timing(candidate, tuple(ms), median_ms=median, lower_ms=lower, upper_ms=upper)


def comparison(coordinate: Coordinate | None, in_use: Timing, tried: Timing) -> TuningComparison:
    """What was tried takes over if it is faster by more than the spread: the larger one of the interquartile ranges.

    What was chosen has shown that already, part by part, and only has to be faster in the end.
    """
    spread = max(each.upper_ms - each.lower_ms for each in (in_use, tried)) if coordinate else 0.0
    return TuningComparison(coordinate, in_use, tried, taken=in_use.median_ms - tried.median_ms > spread)


def _powers_of_two(largest: int) -> list[int]:
    """1, 2, 4, … and `largest` itself."""
    return [*(1 << exponent for exponent in range((largest - 1).bit_length())), largest]
