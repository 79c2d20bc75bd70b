"""No measurement: what a board like this is known to draw, idle and for each core that this process keeps busy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import Meter, MeterKind, Sample, Source
from tbft_runtime.meters.power_models import PowerModel, load_model, model_of


class EstimateMeter:
    """Idle watts of the time that passed, and a core's watts of the CPU time that this process took.

    In joules, so that nothing depends on how often it is asked.
    """

    measures: Literal["watts", "joules"] = "joules"
    hertz = 10.0

    def __init__(self, model: PowerModel) -> None:
        self._model = model
        self._began = self._cpu_began = 0.0
        self.idle_watts: float | None = model.idle_watts
        self.source = Source(
            meter="estimate",
            type="estimate",
            scope=f"an estimate for {model.board}, not measured: idle, and the cores that this process keeps busy",
            missing=("other processes", "disk and network", "clock, temperature and kind of work of the cores"),
            basis=(
                f"{model.idle_watts:.4g} W idle and {model.core_watts:.4g} W for each busy core",
                model.source,
            ),
        )

    def start(self) -> None:
        """Count from here."""
        self._began, self._cpu_began = time.perf_counter(), time.process_time()

    def sample(self) -> Sequence[Sample]:
        now, cpu = time.perf_counter(), time.process_time()
        idle = self._model.idle_watts * (now - self._began)
        return [Sample(now, idle + self._model.core_watts * (cpu - self._cpu_began))]

    def stop(self) -> None:
        """Nothing was kept open."""


def find(board: Board, argument: str | None) -> Meter:
    """With the model in the file `argument`, or this board's. Raises UnavailableError, or TbftError for a bad file."""
    return EstimateMeter(load_model(Path(argument)) if argument else model_of(board))


KIND = MeterKind(
    name="estimate",
    argument="FILE",
    needs_argument=False,
    automatic=True,
    find=find,
)
