"""Whether the device may train now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import time

from tbft_agent.clock import Clock
from tbft_agent.settings import Adapting
from tbft_runtime.board.watch import BoardWatch

FRESH_SECONDS = 5.0


@dataclass
class Permission:
    """Asks the clock, and a board that was looked at a few seconds ago at most: to look may start a command."""

    adapting: Adapting
    clock: Clock
    board: BoardWatch
    _looked: float = -math.inf

    def look(self) -> None:
        """Look at the board, if the last look is no longer good; whoever asks holds no lock that answers wait for."""
        now = self.clock.steady()
        if now - self._looked >= FRESH_SECONDS:
            self._looked = now
            self.board.look()

    def why_not(self, joules_today: float) -> str | None:
        """What forbids it by the last look, in words; None if nothing does."""
        adapting, state = self.adapting, self.board.last
        hours = adapting.window_of_day
        if hours is not None and not _is_within(self.clock.now().time(), *hours):
            return f"it is not between {hours[0]:%H:%M} and {hours[1]:%H:%M}"
        if joules_today >= adapting.joules_per_day:
            return f"{joules_today:.0f} J were used today, of {adapting.joules_per_day:.0f}"
        limit = adapting.most_celsius
        if limit is not None and state.celsius is not None and state.celsius > limit:
            return f"the board has {state.celsius:.0f} °C, and {limit:.0f} are allowed"
        if state.throttled:
            return f"the board is slowed down: {', '.join(state.throttled)}"
        needed = adapting.memory_bytes
        if state.available_bytes is not None and state.available_bytes < needed:
            return f"{state.available_bytes / 1e6:.0f} MB of memory are free, and training may take {needed / 1e6:.0f}"
        return None


def _is_within(moment: time, begin: time, end: time) -> bool:
    """Of hours that may go over midnight."""
    return begin <= moment < end if begin <= end else moment >= begin or moment < end
