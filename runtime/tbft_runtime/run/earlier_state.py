"""States from before their history was a file of its own: every epoch was in them, with the time of each lap."""

from __future__ import annotations

import msgspec

from tbft_runtime.energy.parts import RunPart
from tbft_runtime.energy.result import StretchEnergy, Telemetry
from tbft_runtime.laps import Laps
from tbft_runtime.run.epoch import Epoch, Evaluation
from tbft_runtime.timing import Phase, PhaseTime


class _PhaseLaps(msgspec.Struct, frozen=True, kw_only=True):
    phase: Phase
    seconds: float
    joules: float | None
    laps_ms: list[float]

    def now(self) -> PhaseTime:
        """As it is kept today."""
        return PhaseTime(phase=self.phase, seconds=self.seconds, joules=self.joules, laps=Laps.of(self.laps_ms))


class _EpochLaps(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    train_loss: float
    train_accuracy: float | None
    validation: Evaluation
    seconds: float
    step_ms: list[float]
    warm_up: bool
    phases: list[_PhaseLaps] = []
    energy: StretchEnergy | None = None
    telemetry: list[Telemetry] = []

    def now(self) -> Epoch:
        """As it is kept today."""
        return Epoch(
            number=self.number,
            train_loss=self.train_loss,
            train_accuracy=self.train_accuracy,
            validation=self.validation,
            seconds=self.seconds,
            steps=Laps.of(self.step_ms),
            warm_up=self.warm_up,
            phases=[phase.now() for phase in self.phases],
            energy=self.energy,
            telemetry=self.telemetry,
        )


class EarlierProgress(msgspec.Struct):
    """What such a state says beside its tensors."""

    epoch: int
    step: int
    best_epoch: int
    before: Evaluation | None
    adapted: Evaluation | None
    epochs: list[_EpochLaps]
    preparation: list[_PhaseLaps]
    parts: list[RunPart]

    @property
    def best(self) -> Evaluation | None:
        """The validation of the best state."""
        if self.best_epoch:
            return self.epochs[self.best_epoch - 1].validation
        return self.adapted if self.adapted is not None else self.before
