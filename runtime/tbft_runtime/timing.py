"""Phases of a run, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

import msgspec

from tbft_artifacts.structs import Measured, Seconds
from tbft_runtime.laps import Laps

_T = TypeVar("_T")

# decode: pictures into prepared pixels. read: prepared pixels or kept activations from the disk or memory.
# prefix: images through the frozen part. train: forward, backward and update behind it.
Phase = Literal["decode", "evaluation", "statistics", "read", "prefix", "train", "validation", "saving"]
PHASES: tuple[Phase, ...] = ("decode", "evaluation", "statistics", "read", "prefix", "train", "validation", "saving")

# The first lap of these in a process loads and allocates.
WARMING: tuple[Phase, ...] = ("read", "prefix", "train")


class PhaseTime(msgspec.Struct, frozen=True, kw_only=True):
    """What a phase took in a stretch of a run: seconds, joules (None: no meter) and its laps."""

    phase: Phase
    seconds: Seconds
    joules: Measured | None
    laps: Laps


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
