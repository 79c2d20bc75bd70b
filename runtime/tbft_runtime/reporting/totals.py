"""What the epochs of a run add up to: time, energy, and how its latencies are spread."""

from __future__ import annotations

from dataclasses import dataclass, field

from tbft_runtime.energy.total import EnergySum
from tbft_runtime.laps import LapSum, Latency
from tbft_runtime.run.epoch import Epoch
from tbft_runtime.run.state import TrainingState
from tbft_runtime.timing import PHASES, WARMING


@dataclass
class RunTotals:
    """Sums over all epochs, which are gone through once; `laps` are by phase, whole train steps first."""

    energy: EnergySum = field(default_factory=EnergySum)
    laps: dict[str, LapSum] = field(default_factory=lambda: {name: LapSum() for name in ("step", *PHASES)})

    @classmethod
    def of(cls, state: TrainingState) -> RunTotals:
        """Of what was done before the first epoch, too."""
        totals = cls()
        for time in state.preparation:
            totals.laps[time.phase].add(time.laps, warms_up=False)
        for epoch in state.epochs:
            totals._add(epoch)
        return totals

    @property
    def epochs(self) -> int:
        """How many there were."""
        return self.energy.stretches

    def latencies(self) -> dict[str, Latency]:
        """Percentiles by phase; the first step of a process warms up and is left out."""
        found = {name: laps.latency() for name, laps in self.laps.items()}
        return {name: spread for name, spread in found.items() if spread is not None}

    def _add(self, epoch: Epoch) -> None:
        self.energy.add(epoch.seconds, epoch.energy)
        self.laps["step"].add(epoch.steps, warms_up=epoch.warm_up)
        for time in epoch.phases:
            self.laps[time.phase].add(time.laps, warms_up=epoch.warm_up and time.phase in WARMING)
