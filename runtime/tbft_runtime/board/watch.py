"""Look at the board from time to time, and say how it was."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

from tbft_runtime.board.access import Board
from tbft_runtime.board.files import board_model, cpuinfo, meminfo, number
from tbft_runtime.board.machine import processor
from tbft_runtime.board.state import BoardIdentity, BoardState, BoardSummary
from tbft_runtime.board.temperature import celsius, thermal_zone
from tbft_runtime.board.throttling import throttling

_CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"
# Columns of the first line of /proc/stat in which a core works: user, nice, system, irq, softirq, steal.
_BUSY = (1, 2, 3, 6, 7, 8)


def identify(board: Board) -> BoardIdentity:
    """Which board this is; two with the same key compute alike."""
    model = board_model(board) or "unknown"
    memory = meminfo(board, "MemTotal")
    # The system keeps a varying part of the memory for itself.
    gibibytes = None if memory is None else round(memory / 2**30)
    cores = os.cpu_count() or 1
    text = repr((model, processor(board.root), cores, gibibytes))
    return BoardIdentity(
        model=model,
        machine=platform.machine(),
        cores=cores,
        memory_bytes=memory,
        key=hashlib.sha256(text.encode()).hexdigest()[:16],
    )


class BoardWatch:
    """Remembers the extremes between the first look and the last. One thread at a time uses it."""

    def __init__(self, board: Board) -> None:
        self.identity = identify(board)
        self._board = board
        self._zone = thermal_zone(board)
        self._begin = self._busy = _busy(board)
        self._hottest: float | None = None
        self._slowest: float | None = None
        self._fastest: float | None = None
        self._throttled: set[str] = set()
        self.before = self.last = self.look()

    def look(self) -> BoardState:
        """The state now; the load is that since the last look."""
        now = _busy(self._board)
        slowed = throttling(self._board)
        state = BoardState(
            celsius=celsius(self._board, self._zone),
            megahertz=_megahertz(self._board),
            governor=self._board.read(f"{_CPUFREQ}/scaling_governor"),
            throttled=slowed[0] if slowed else None,
            throttled_before=slowed[1] if slowed else None,
            other_load=_other_load(self._busy, now),
            available_bytes=meminfo(self._board, "MemAvailable"),
        )
        self._hottest = _extreme(max, self._hottest, state.celsius)
        self._slowest = _extreme(min, self._slowest, state.megahertz)
        self._fastest = _extreme(max, self._fastest, state.megahertz)
        self._throttled.update(state.throttled or ())
        self._busy, self.last = now, state
        return state

    def celsius(self) -> float | None:
        """How hot it is now, and nothing else: any thread may ask, and no command is run."""
        return celsius(self._board, self._zone)

    def summary(self) -> BoardSummary:
        """From the first look until one now."""
        self.look()
        return self.so_far()

    def so_far(self) -> BoardSummary:
        """From the first look until the last."""
        after = self.last
        # What the board remembers now and did not before came up in between, maybe between two looks.
        news = set(after.throttled_before or ()) - set(self.before.throttled_before or ())
        throttled = tuple(sorted(self._throttled | news))
        return BoardSummary(
            identity=self.identity,
            before=self.before,
            after=after,
            hottest_celsius=self._hottest,
            slowest_megahertz=self._slowest,
            fastest_megahertz=self._fastest,
            # What was seen stays true where the board says nothing in the end.
            throttled=None if after.throttled is None and not throttled else throttled,
            other_load=_other_load(self._begin, self._busy),
        )


@dataclass(frozen=True)
class _Busy:
    """Processor seconds until a moment: of the whole board (None: it does not say), and of this process."""

    moment: float
    board: float | None
    own: float


def _busy(board: Board) -> _Busy:
    own = os.times()
    # Commands that this process ran are its own.
    seconds = own.user + own.system + own.children_user + own.children_system
    columns = (board.read("proc/stat") or "").partition("\n")[0].split()
    ticks = os.sysconf("SC_CLK_TCK")
    # Some sandboxes show zeros instead of a clock that counts.
    known = columns[:1] == ["cpu"] and len(columns) > max(_BUSY) and any(column != "0" for column in columns[1:])
    return _Busy(time.perf_counter(), sum(int(columns[i]) for i in _BUSY) / ticks if known else None, seconds)


def _other_load(earlier: _Busy, now: _Busy) -> float | None:
    """How many cores other processes kept busy in between."""
    passed = now.moment - earlier.moment
    if earlier.board is None or now.board is None or passed < 2 / os.sysconf("SC_CLK_TCK"):
        return None
    return round(max(0.0, (now.board - earlier.board - (now.own - earlier.own)) / passed), 3)


def _megahertz(board: Board) -> float | None:
    kilohertz = number(board, f"{_CPUFREQ}/scaling_cur_freq")
    if kilohertz is not None:
        return kilohertz / 1000
    try:
        return float(cpuinfo(board, "cpu MHz") or "")
    except ValueError:
        return None


def _extreme(choose: Callable[[float, float], float], known: float | None, new: float | None) -> float | None:
    if known is None or new is None:
        return new if known is None else known
    return choose(known, new)
