"""Whether the device may train now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import time

from tbft_agent.clock import Clock
from tbft_agent.settings import Adapting
from tbft_artifacts.errors import TbftError
from tbft_runtime.board.access import Board
from tbft_runtime.board.watch import BoardWatch
from tbft_runtime.meters.meter import AUTOMATIC, NO_METER
from tbft_runtime.meters.registry import choose

FRESH_SECONDS = 5.0


@dataclass
class Permission:
    """Asks the clock, and a board that was looked at a few seconds ago at most: to look may start a command."""

    adapting: Adapting
    clock: Clock
    machine: Board
    board: BoardWatch
    no_meter: str | None = None
    """Why nothing is trained, where a meter was named, or is needed for a budget of energy, and is not there."""
    _looked: float = -math.inf

    def look(self) -> None:
        """Look at the board, if the last look is no longer good; whoever asks holds no lock that answers wait for."""
        now = self.clock.steady()
        if now - self._looked >= FRESH_SECONDS:
            is_first, self._looked = self._looked == -math.inf, now
            self.board.look()
            needs_one = self.adapting.energy_budget is not None or self.adapting.meter not in (AUTOMATIC, NO_METER)
            if needs_one and (is_first or self.no_meter is not None):
                # One that is plugged in later is found.
                self.no_meter = self._without_meter()

    def why_not(self, joules_today: float) -> str | None:
        """What forbids it by the last look, in words; None if nothing does."""
        adapting, state = self.adapting, self.board.last
        if self.no_meter is not None:
            return self.no_meter
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

    def _without_meter(self) -> str | None:
        try:
            found = choose(self.adapting.meter, self.machine)
        except TbftError as error:
            why: str | None = error.message
        else:
            why = found.why
        if why is None:
            return None
        if self.adapting.energy_budget is None:
            return f"`adapt.meter` is not there, so nothing is trained: {why}; name another, or none"
        return (
            f"`adapt.energy_budget` cannot be held, so nothing is trained: {why}; name an `adapt.meter`, or no budget"
        )


def _is_within(moment: time, begin: time, end: time) -> bool:
    """Of hours that may go over midnight."""
    return begin <= moment < end if begin <= end else moment >= begin or moment < end
