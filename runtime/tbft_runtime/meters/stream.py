"""Lines `seconds,watts` of an external meter: from bytes to samples in this process's time.

The meter's clock is trusted for its pace only. When a line arrives it is at least as old as the time since the
meter wrote it, so the smallest difference between arrival and the meter's time that was ever seen is the best
guess of how both clocks stand to each other.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from tbft_runtime.meters.meter import MeterError, Sample, Source

# Nobody writes a longer line of two numbers; noise without a line end must not fill the memory.
_LONGEST_LINE = 4096
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# In this order: where another one separates, a comma belongs to a field.
_SEPARATORS = "\t;,"
_SECONDS = ("seconds", "time")
# Clocks that count whole seconds are fine.
_LONGEST_STANDSTILL = 2.5
_WATTS = ("watts",)


@dataclass(frozen=True)
class Reading:
    """What a line says, in the meter's own time."""

    seconds: float
    watts: float


@dataclass(frozen=True)
class Columns:
    """Where the two figures stand in a line."""

    seconds: int = 0
    watts: int = 1


def parse_reading(line: str, columns: Columns) -> Reading | None:
    """The reading in a line, or None where there is none: no finite numbers, or negative watts."""
    fields = _fields(line)
    if len(fields) <= max(columns.seconds, columns.watts):
        return None
    seconds, watts = _number(fields[columns.seconds]), _number(fields[columns.watts])
    if seconds is None or watts is None or watts < 0:
        return None
    return Reading(seconds, watts)


def parse_header(line: str) -> Columns | None:
    """The columns that a header names, or None if it is none."""
    names = [field.casefold() for field in _fields(line)]
    seconds = next((names.index(name) for name in _SECONDS if name in names), None)
    watts = next((names.index(name) for name in _WATTS if name in names), None)
    return None if seconds is None or watts is None else Columns(seconds, watts)


def said(line: bytes) -> str:
    """The text of a line, empty if it is one or a comment."""
    text = line.decode(errors="replace").lstrip("\ufeff").strip()
    return "" if text.startswith("#") else text


def _fields(line: str) -> list[str]:
    for separator in _SEPARATORS:
        if separator in line:
            return [field.strip(' "') for field in line.split(separator)]
    return line.split()


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


class Clock:
    """Maps the meter's time to ours."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._own: float | None = None
        self._latest = -math.inf
        self._moved = 0.0

    def place(self, own: float, arrival: float) -> float:
        """When a reading of the meter's time `own` was taken; never after `arrival`, never before the last one."""
        delay = arrival - own
        restarted = self._own is None or own < self._own
        if own != self._own:
            self._moved = arrival
        self._offset = delay if restarted else min(self._offset, delay)
        self._own = own
        self._latest = max(self._latest, min(own + self._offset, arrival))
        return self._latest

    def stands_still(self, arrival: float) -> bool:
        """Whether many lines came since its time last changed; then no line says when it was measured."""
        return arrival - self._moved > _LONGEST_STANDSTILL


class Stream:
    """Takes bytes as they come and gives samples; `garbage` counts the lines that held none.

    The first line may be a header. Empty lines and those that begin with # say nothing.
    """

    def __init__(self) -> None:
        self.garbage = 0
        self._clock = Clock()
        self.restart()

    def restart(self) -> None:
        """What comes next is the beginning of a file."""
        self._partial = b""
        self._columns: Columns | None = None
        self._skipping = False

    def take_columns(self, columns: Columns) -> None:
        """They are known already; what comes next is no header."""
        self._columns = columns

    def skip_line(self) -> None:
        """What comes next may be the end of a line, which must not be taken for a whole one."""
        self._skipping = True

    def feed(self, data: bytes, arrival: float) -> list[Sample]:
        """The samples in all lines that are complete now. Raises MeterError if there are lines, but none holds any."""
        *lines, partial = (self._partial + data).split(b"\n")
        self._partial = partial[: _LONGEST_LINE + 1]
        if lines and self._skipping:
            self._skipping = False
            del lines[0]
        garbage = self.garbage
        samples = [sample for line in lines if (sample := self._sample(line, arrival))]
        if samples and self._clock.stands_still(arrival):
            raise MeterError(f"the meter's time does not go on: {_shown(lines)}")
        if self.garbage > garbage and not samples:
            raise MeterError(f"the meter sends no lines of `seconds,watts`, but {_shown(lines)}")
        return samples

    def _sample(self, line: bytes, arrival: float) -> Sample | None:
        text = said(line)
        if not text:
            return None
        if self._columns is None:
            header = parse_header(text)
            self._columns = header or Columns()
            if header:
                return None
        reading = parse_reading(text, self._columns) if len(line) <= _LONGEST_LINE else None
        if reading is None:
            self.garbage += 1
            return None
        return Sample(self._clock.place(reading.seconds, arrival), reading.watts)


def _shown(lines: list[bytes]) -> str:
    return repr(lines[-1][:40].decode(errors="replace"))


def external_source(meter: str) -> Source:
    """What is known of somebody's meter."""
    return Source(
        meter=meter,
        type="external",
        scope="what the external meter is connected to",
        missing=("whatever is not supplied through that meter",),
        basis=("see the meter's data sheet",),
    )
