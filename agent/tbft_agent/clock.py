"""Time, as a device without a battery for its clock has it.

The wall clock may jump by years when the network comes; nothing that takes a while is measured by it. It says what
hour of the day it is, and what stands beside entries of the journal.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """What the agent asks; tests have one that they turn."""

    def steady(self) -> float:
        """Seconds since some moment, which only grow while the process lives."""

    def now(self) -> datetime:
        """What the wall clock says, in local time and with its offset."""


class SystemClock:
    """The board's own."""

    def steady(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now().astimezone()


class Age:
    """Seconds that the agent has lived, over all its processes: kept, and counted on by the steady clock."""

    def __init__(self, clock: Clock, before: float) -> None:
        self._clock, self._before, self._began = clock, before, clock.steady()

    def seconds(self) -> float:
        """Until now."""
        return self._before + self._clock.steady() - self._began
