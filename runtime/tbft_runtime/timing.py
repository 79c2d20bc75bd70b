"""Phases of a run, how long each took, and how the times of its laps are spread."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

import msgspec
import numpy as np

_T = TypeVar("_T")

# decode: pictures into prepared pixels. read: prepared pixels or kept activations from the disk or memory.
# prefix: images through the frozen part. train: forward, backward and update behind it.
Phase = Literal["decode", "evaluation", "statistics", "read", "prefix", "train", "validation", "saving"]
PHASES: tuple[Phase, ...] = ("decode", "evaluation", "statistics", "read", "prefix", "train", "validation", "saving")

# The first lap of these in a process loads and allocates.
WARMING: tuple[Phase, ...] = ("read", "prefix", "train")


class PhaseTime(msgspec.Struct, frozen=True, kw_only=True):
    """What a phase took in a stretch of a run: seconds, joules (None: no meter) and each lap in milliseconds."""

    phase: Phase
    seconds: float
    joules: float | None
    laps_ms: list[float]


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in milliseconds over `count` laps; `warm_up` laps were left out before."""

    count: int
    warm_up: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Lap(NamedTuple):
    """One time through a phase, in seconds of `time.perf_counter`."""

    phase: Phase
    began: float
    ended: float


@dataclass
class Stopwatch:
    """Collects laps until they are taken."""

    _laps: list[Lap] = field(default_factory=list)

    def add(self, phase: Phase, began: float, ended: float) -> None:
        """A lap that was timed elsewhere."""
        self._laps.append(Lap(phase, began, ended))

    @contextmanager
    def lap(self, phase: Phase) -> Iterator[None]:
        """Time the block; one that fails is not counted."""
        began = time.perf_counter()
        yield
        self.add(phase, began, time.perf_counter())

    def each(self, phase: Phase, items: Iterable[_T]) -> Iterator[_T]:
        """The items, with the time that each took to come as a lap."""
        iterator = iter(items)
        while True:
            began = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            self.add(phase, began, time.perf_counter())
            yield item

    def take(self) -> list[Lap]:
        """The laps since the last call."""
        laps, self._laps = self._laps, []
        return laps


def warm_laps(stretches: Sequence[tuple[Sequence[float], bool]]) -> tuple[list[float], int]:
    """Laps in milliseconds of all stretches, and how many were left out.

    A stretch that warms up (True) leaves its first lap out; if nothing is left then, nothing is left out.
    """
    warm = [lap for laps, warms_up in stretches for lap in laps[int(warms_up) :]]
    everything = [lap for laps, _ in stretches for lap in laps]
    return (warm, len(everything) - len(warm)) if warm else (everything, 0)


def latency(laps_ms: Sequence[float], warm_up: int) -> Latency | None:
    """Percentiles of laps, of which `warm_up` were left out before; None without any lap."""
    if not laps_ms:
        return None
    p50, p95, p99 = map(float, np.percentile(laps_ms, [50, 95, 99]))
    return Latency(count=len(laps_ms), warm_up=warm_up, p50_ms=p50, p95_ms=p95, p99_ms=p99)
