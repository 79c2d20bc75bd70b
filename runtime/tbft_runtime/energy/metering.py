"""Meter and board of a run: watched from its beginning to its end, asked for the joules of each stretch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType

import numpy as np
from msgspec.structs import replace

from tbft_runtime.board.access import Board
from tbft_runtime.board.state import BUSY_CORES, BoardSummary
from tbft_runtime.board.watch import BoardWatch
from tbft_runtime.energy.parts import RunPart
from tbft_runtime.energy.result import StretchEnergy, Telemetry, Vitals
from tbft_runtime.energy.sampler import Sampler, Task
from tbft_runtime.energy.trace import PowerTrace
from tbft_runtime.laps import Laps
from tbft_runtime.meters.meter import Meter, MeterError, Source
from tbft_runtime.timing import Lap, Phase, PhaseTime

BOARD_PERIOD = 1.0
IDLE_SECONDS = 5.0
# How long the end of a run waits for an external meter's last samples.
LAST_SAMPLE_SECONDS = 2.0


@dataclass
class Metering:
    """Reads a meter (None: there is none) and the board in a thread while it is entered."""

    board: Board
    meter: Meter | None
    idle_seconds: float = IDLE_SECONDS
    on_vitals: Callable[[Vitals], None] = lambda _: None
    idle_watts: float | None = field(default=None, init=False)
    problem: str | None = field(default=None, init=False)

    def __enter__(self) -> Metering:
        self._began = time.perf_counter()
        self._lock = threading.Lock()
        self._failures: list[float] = []
        self._seen: list[Telemetry] = []
        self._joules = 0.0
        self._looked = self._began
        self._watch = BoardWatch(self.board)
        tasks = [Task(self._look, BOARD_PERIOD, due=self._began + BOARD_PERIOD)]
        self._reading: Task | None = None
        if self.meter is not None:
            self._trace = PowerTrace(self.meter.measures)
            self.idle_watts = self.meter.idle_watts
            self.meter.start()
            self._reading = Task(self._read, 1 / self.meter.hertz)
            tasks.append(self._reading)
        self._sampler = Sampler(tasks)
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sampler.stop()
        if self.meter is not None:
            self.meter.stop()

    def measure_idle(self, note: Callable[[str], None]) -> None:
        """Sleep, and remember what the board draws meanwhile; not where the meter knows without measuring."""
        if self.meter is None or self.idle_watts is not None:
            return
        note(f"measuring for {self.idle_seconds:g} s what the idle board draws")
        began = time.perf_counter()
        time.sleep(self.idle_seconds)
        self.now()
        with self._lock:
            drawn = self._trace.drawn(np.array([began]), np.array([time.perf_counter()]))
        if drawn.covered > 0:
            self.idle_watts = drawn.joules / drawn.covered
        else:
            why = f" ({self.problem})" if self.problem else ""
            note(f"the meter has said nothing so far{why}; energy may be unavailable in the end")
        with self._lock:
            # What is told of the run while it goes on does not begin before it.
            self._joules, self._looked = 0.0, time.perf_counter()
        # The board has been watched for hardly longer than this took.
        load = self.so_far().board.other_load
        if load is not None and load >= BUSY_CORES:
            note(f"it was not idle: other processes kept {load:.1f} cores busy, and net joules will be too low")

    def now(self) -> None:
        """Read the meter at once, if that is cheap: a stretch that ends now is then covered to its end."""
        if self._reading is not None:
            self._sampler.now(self._reading)

    def is_settled(self, moment: float) -> bool:
        """Whether all that can be known of the time until `moment` is: a sample is later, or there is no meter."""
        if self.meter is None:
            return True
        with self._lock:
            return bool(self._trace.seconds) and self._trace.seconds[-1] >= moment

    def wait_for(self, moment: float) -> None:
        """Wait for a sample after `moment`, not for ever: an external meter sends its samples late."""
        until = time.perf_counter() + LAST_SAMPLE_SECONDS
        while not self.is_settled(moment) and time.perf_counter() < until:
            time.sleep(0.02)
            self.now()

    def energy(self, began: float, ended: float) -> StretchEnergy | None:
        """What was drawn between two moments; None without a meter."""
        if self.meter is None:
            return None
        with self._lock:
            drawn = self._trace.drawn(np.array([began]), np.array([ended]))
            return StretchEnergy(
                source=self.meter.source,
                idle_watts=self.idle_watts,
                joules=drawn.joules,
                covered_seconds=drawn.covered,
                sampling_joules=self._trace.sampling_difference(began, ended),
                samples=self._trace.count(began, ended),
                failed=sum(began <= moment <= ended for moment in self._failures),
            )

    def phase_times(self, laps: Sequence[Lap]) -> list[PhaseTime]:
        """Seconds, joules and laps by phase, in the order in which phases first came up."""
        by_phase: dict[Phase, list[Lap]] = {}
        for lap in laps:
            by_phase.setdefault(lap.phase, []).append(lap)
        return [self._phase_time(phase, laps) for phase, laps in by_phase.items()]

    def telemetry(self, began: float, ended: float) -> list[Telemetry]:
        """What was seen between two moments of `time.perf_counter`, in seconds since the first."""
        with self._lock:
            seen = [moment for moment in self._seen if began <= moment.seconds <= ended]
            since = [began, *(moment.seconds for moment in seen)]
            # Anew: when it was seen, the last samples before it may not have come yet.
            watts = [self._mean_watts(*between) for between in pairwise(since)]
        return [
            replace(moment, seconds=round(moment.seconds - began, 3), watts=mean)
            for moment, mean in zip(seen, watts, strict=True)
        ]

    def forget(self, before: float) -> None:
        """Nothing before this moment will be asked for again."""
        with self._lock:
            self._seen = [moment for moment in self._seen if moment.seconds >= before]
            self._failures = [moment for moment in self._failures if moment >= before]
            if self.meter is not None:
                self._trace.forget(min(before, self._looked))

    def so_far(self) -> RunPart:
        """How the board was until it was last looked at, and what measuring cost."""
        with self._sampler.waiting():
            return self._part(self._watch.so_far())

    def summary(self) -> RunPart:
        """How the board was until now, and what measuring cost."""
        with self._sampler.waiting():
            self._look()
            return self._part(self._watch.so_far())

    def _part(self, board: BoardSummary) -> RunPart:
        seconds = time.perf_counter() - self._began
        return RunPart(seconds=seconds, metering_seconds=self._sampler.cpu_seconds, source=self._source(), board=board)

    def _source(self) -> Source | None:
        return None if self.meter is None else self.meter.source

    def _phase_time(self, phase: Phase, laps: Sequence[Lap]) -> PhaseTime:
        began, ended = np.array([lap.began for lap in laps]), np.array([lap.ended for lap in laps])
        passed = ended - began
        joules = None
        if self.meter is not None:
            with self._lock:
                drawn = self._trace.drawn(began, ended)
            joules = drawn.joules if drawn.covered > 0 else None
        times = Laps.of((passed * 1000).tolist())
        return PhaseTime(phase=phase, seconds=float(passed.sum()), joules=joules, laps=times)

    def _mean_watts(self, began: float, ended: float) -> float | None:
        """In the covered part of a stretch; only for whoever has the lock."""
        if self.meter is None:
            return None
        drawn = self._trace.drawn(np.array([began]), np.array([ended]))
        return drawn.joules / drawn.covered if drawn.covered > 0 else None

    def _read(self) -> None:
        assert self.meter is not None
        try:
            samples = self.meter.sample()
        except MeterError as error:
            self._failures.append(time.perf_counter())
            self.problem = str(error)
        else:
            with self._lock:
                self._trace.add(samples)

    def _look(self) -> None:
        state = self._watch.look()
        watts = None
        with self._lock:
            if self.meter is not None and self._trace.seconds:
                since, self._looked = self._looked, max(self._looked, self._trace.seconds[-1])
                watts = self._mean_watts(since, self._looked)
                self._joules += self._trace.drawn(np.array([since]), np.array([self._looked])).joules
            self._seen.append(
                Telemetry(seconds=time.perf_counter(), watts=watts, celsius=state.celsius, megahertz=state.megahertz)
            )
        source = self._source()
        self.on_vitals(
            Vitals(
                watts=watts,
                joules=self._joules if self._joules > 0 else None,
                celsius=state.celsius,
                throttled=state.throttled,
                meter=None if source is None else source.meter,
                estimate=source is not None and source.type == "estimate",
            )
        )
