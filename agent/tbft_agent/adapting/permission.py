"""Whether the device may train now."""

from __future__ import annotations

from datetime import time

from tbft_agent.clock import Clock
from tbft_agent.settings import Adapting
from tbft_runtime.board.watch import BoardWatch


def why_not(adapting: Adapting, clock: Clock, board: BoardWatch, joules_today: float) -> str | None:
    """What forbids it, in words; None if nothing does."""
    hours = adapting.window_of_day
    if hours is not None and not _is_within(clock.now().time(), *hours):
        return f"it is not between {hours[0]:%H:%M} and {hours[1]:%H:%M}"
    if joules_today >= adapting.joules_per_day:
        return f"{joules_today:.0f} J were used today, of {adapting.joules_per_day:.0f}"
    state = board.look()
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
