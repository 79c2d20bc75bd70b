"""What each epoch took: seconds, joules and what the board did, by phase."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import msgspec

from tbft_runtime.energy.metering import Metering
from tbft_runtime.energy.parts import RunPart
from tbft_runtime.energy.result import Telemetry
from tbft_runtime.run.state import TrainingState
from tbft_runtime.timing import Lap, Stopwatch

# So many moments of board and meter a report keeps, over all epochs.
TELEMETRY_POINTS = 600
# How many epochs, and for how long, wait for the late samples of an external meter.
MOST_OPEN, OPEN_SECONDS = 256, 60.0


@dataclass(frozen=True)
class _Account:
    """An epoch whose joules may still change, since an external meter's samples come late."""

    number: int
    began: float
    ended: float
    laps: tuple[Lap, ...]


@dataclass
class Accounts:
    """Writes into the epochs of a state what they took, as soon as it is known."""

    metering: Metering
    stopwatch: Stopwatch
    epochs: int
    _open: list[_Account] = field(default_factory=list)
    has_part: bool = False
    """Whether the last part of the state is this process's: it did something of the run."""

    def prepare(self, state: TrainingState) -> None:
        """Everything until now came before the first epoch."""
        self.metering.wait_for(time.perf_counter())
        state.preparation = self.metering.phase_times(self.stopwatch.take())
        self._keep_part(state, self.metering.so_far())

    def begin(self) -> float:
        """The moment when an epoch begins; what was timed before belongs to none."""
        self.stopwatch.take()
        return time.perf_counter()

    def close(self, state: TrainingState, began: float) -> None:
        """The last epoch of `state` ended, up to its saving."""
        self._close(state, _Account(state.epoch, began, time.perf_counter(), tuple(self.stopwatch.take())))
        self._keep_part(state, self.metering.so_far())

    def extend(self, state: TrainingState) -> None:
        """The epoch that was closed last went on until now: it was saved."""
        account = self._open.pop()
        laps = (*account.laps, *self.stopwatch.take())
        self._close(state, replace(account, ended=time.perf_counter(), laps=laps))

    def finish(self, state: TrainingState) -> None:
        """Nothing more comes, except samples that are under way."""
        if self._open:
            self.metering.wait_for(self._open[-1].ended)
        for account in self._open:
            self._write(state, account)
        self._open.clear()
        state.epochs.settle()
        # A process that found nothing left to do is no part of the run: its board may be another one.
        if self.has_part or not state.parts:
            self._keep_part(state, self.metering.summary())

    def _keep_part(self, state: TrainingState, part: RunPart) -> None:
        """Put this process's part behind those of earlier ones, or in place of its own."""
        state.parts[len(state.parts) - self.has_part :] = [part]
        self.has_part = True

    def _close(self, state: TrainingState, account: _Account) -> None:
        self.metering.now()
        self._open.append(account)
        self._write(state, account)
        # The last one stays open: it may be extended. The others are written again once, when samples cover them or
        # will not come any more: a meter that went silent must not make each epoch longer than the one before.
        while len(self._open) > 1 and (self._is_overdue() or self.metering.is_settled(self._open[0].ended)):
            self._write(state, self._open.pop(0))
        state.epochs.settle(before=self._open[0].number)
        self.metering.forget(self._open[0].began)

    def _is_overdue(self) -> bool:
        """Whether nobody waits for the joules of the first open epoch any longer: each open one takes memory."""
        return len(self._open) > MOST_OPEN or time.perf_counter() - self._open[0].ended > OPEN_SECONDS

    def _write(self, state: TrainingState, account: _Account) -> None:
        """Seconds are known at once, joules when there are samples after the epoch."""
        state.epochs.replace(
            msgspec.structs.replace(
                state.epochs.find(account.number),
                seconds=account.ended - account.began,
                phases=self.metering.phase_times(account.laps),
                energy=self.metering.energy(account.began, account.ended),
                telemetry=self._thinned(self.metering.telemetry(account.began, account.ended)),
            )
        )

    def _thinned(self, telemetry: list[Telemetry]) -> list[Telemetry]:
        kept = max(2, TELEMETRY_POINTS // self.epochs)
        return telemetry[:: -(-len(telemetry) // kept)] if telemetry else []
