"""Phases of a run, how long each took, and how the times of its laps are spread."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np

# decode: pictures into prepared pixels. read: prepared pixels or kept activations from the disk or memory.
# prefix: images through the frozen part. train: forward, backward and update behind it.
Phase = Literal["decode", "evaluation", "statistics", "read", "prefix", "train", "validation", "saving"]
PHASES: tuple[Phase, ...] = ("decode", "evaluation", "statistics", "read", "prefix", "train", "validation", "saving")


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


@dataclass(frozen=True)
class Lap:
    """One time through a phase, in seconds of `time.perf_counter`."""

    phase: Phase
    began: float
    ended: float


@dataclass
class Stopwatch:
    """Collects laps until they are taken."""

    _laps: list[Lap] = field(default_factory=list)

    @contextmanager
    def lap(self, phase: Phase) -> Iterator[None]:
        """Time the block; one that fails is not counted."""
        began = time.perf_counter()
        yield
        self._laps.append(Lap(phase, began, time.perf_counter()))

    def take(self) -> list[Lap]:
        """The laps since the last call."""
        laps, self._laps = self._laps, []
        return laps


def latency(laps_ms: Sequence[float], warm_up: int = 0) -> Latency | None:
    """Percentiles of laps without the first `warm_up`; if those are all there are, of them. None without any lap."""
    if not laps_ms:
        return None
    left_out = warm_up if len(laps_ms) > warm_up else 0
    p50, p95, p99 = np.percentile(laps_ms[left_out:], [50, 95, 99])
    return Latency(
        count=len(laps_ms) - left_out, warm_up=left_out, p50_ms=float(p50), p95_ms=float(p95), p99_ms=float(p99)
    )
