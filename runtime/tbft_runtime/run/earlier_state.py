"""States from before their history was a file of its own: every epoch was in them, with the time of each lap."""

from __future__ import annotations

import msgspec

from tbft_artifacts.structs import Epochs, Large, Loss, Measured, Milliseconds, Part, Seconds
from tbft_runtime.energy.parts import RunPart
from tbft_runtime.energy.result import StretchEnergy, Telemetry
from tbft_runtime.laps import Laps
from tbft_runtime.run.epoch import Epoch, Evaluation
from tbft_runtime.timing import Phase, PhaseTime


class _PhaseLaps(msgspec.Struct, frozen=True, kw_only=True):
    phase: Phase
    seconds: Seconds
    joules: Measured | None
    laps_ms: list[Milliseconds]

    def now(self) -> PhaseTime:
        """As it is kept today."""
        return PhaseTime(phase=self.phase, seconds=self.seconds, joules=self.joules, laps=Laps.of(self.laps_ms))


class _EpochLaps(msgspec.Struct, frozen=True, kw_only=True):
    number: Epochs
    train_loss: Loss
    train_accuracy: Part | None
    validation: Evaluation
    seconds: Seconds
    step_ms: list[Milliseconds]
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

    epoch: Epochs
    step: Large
    best_epoch: Epochs
    before: Evaluation | None
    adapted: Evaluation | None
    epochs: list[_EpochLaps]
    preparation: list[_PhaseLaps]
    parts: list[RunPart]

    def __post_init__(self) -> None:
        """Every epoch is there: the best one is found by its number."""
        numbers = [epoch.number for epoch in self.epochs]
        if numbers != list(range(1, self.epoch + 1)) or self.best_epoch > self.epoch:
            raise ValueError(f"it has epochs {numbers[:3]}…, of {self.epoch}, of which {self.best_epoch} is the best")

    @property
    def best(self) -> Evaluation | None:
        """The validation of the best state."""
        if self.best_epoch:
            return self.epochs[self.best_epoch - 1].validation
        return self.adapted if self.adapted is not None else self.before
