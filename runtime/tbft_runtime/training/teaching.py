"""Who says what the images of a step are to be answered with, and which state is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tbft_artifacts.names import NO_LABEL
from tbft_runtime.data.dataset import Part
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.kept.images import NOTHING_KEPT, KeptImages
from tbft_runtime.kept.mixing import MixedBatch, mixed_batches
from tbft_runtime.run.epoch import Evaluation
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState
from tbft_runtime.training.class_weights import balanced_weights, weighted
from tbft_runtime.training.distillation import OldAnswers
from tbft_runtime.training.step import StepResult, TrainStep
from tbft_runtime.training.targets import Targets, smoothed

# Store indices (n,) of training images, and what a network answers to these: logits (n, C), some images at a time.
Answers = Iterator[tuple[np.ndarray, np.ndarray]]
# Asks about training images at store indices (n,), or about all of them, with the weights of a state.
Ask = Callable[[TrainingState, np.ndarray | None], Answers]


@dataclass(frozen=True)
class Taught:
    """A step: mean loss of its images, how many have a label that was trained towards, and were right before."""

    loss: float
    correct: int
    labelled: int


class Teaching(Protocol):
    """What training asks beside the graphs."""

    def begin(self, state: TrainingState, ask: Ask) -> None:
        """Before the first epoch, once statistics are re-estimated, if they are: what of them stays."""

    def goes_on(self, state: TrainingState) -> bool:
        """Whether there is to be training at all, as `begin` found."""

    def remember(self, kept: KeptImages, old: OldAnswers | None) -> None:
        """Source images that may take part, as the frozen part makes them, and what the old model answers, if asked."""

    def batches(self, state: TrainingState, number: int, ask: Ask) -> Sequence[MixedBatch]:
        """The batches of epoch `number`, in order; `ask` is for what is answered now."""

    def step(self, step: TrainStep, state: TrainingState, inputs: Tensors, batch: MixedBatch) -> Taught:
        """Train on a batch, of whose images `inputs` is what a step begins with."""

    def end(self, state: TrainingState) -> None:
        """After the last step of an epoch, and before it is evaluated."""

    def is_better(self, state: TrainingState, validation: Evaluation | None, number: int) -> bool:
        """Whether the state after epoch `number`, evaluated so, takes the place of the best one; 0 is before them."""


@dataclass
class ByLabels:
    """Labels of so many `classes` teach, and the lowest validation loss is best.

    Where classes weigh differently, labels are smoothed, or the old model's answers count too, labels become targets.
    """

    train: Part
    settings: Settings
    classes: int
    _kept: KeptImages = field(default=NOTHING_KEPT, init=False)
    _old: OldAnswers | None = field(default=None, init=False)
    _weights: np.ndarray | None = field(default=None, init=False)

    def begin(self, state: TrainingState, ask: Ask) -> None:
        """All of them."""

    def goes_on(self, state: TrainingState) -> bool:  # noqa: ARG002
        return True

    def remember(self, kept: KeptImages, old: OldAnswers | None) -> None:
        self._kept, self._old = kept, old
        if self.settings.class_weights == "balanced":
            # As an epoch sees them, remembered ones included: a class of these alone counts, too.
            batches = mixed_batches(self.train, self.settings, kept.remembered, 1)
            seen = [batch.joined(self.train.labels(batch.own), kept.labels) for batch in batches]
            self._weights = balanced_weights(np.concatenate(seen), self.classes)

    def batches(self, state: TrainingState, number: int, ask: Ask) -> Sequence[MixedBatch]:  # noqa: ARG002
        return mixed_batches(self.train, self.settings, self._kept.remembered, number)

    def step(self, step: TrainStep, state: TrainingState, inputs: Tensors, batch: MixedBatch) -> Taught:
        labels = batch.joined(self.train.labels(batch.own), self._kept.labels)
        labelled = int(np.count_nonzero(labels != NO_LABEL))
        if not self.settings.takes_targets:
            result: StepResult = step.run_from_boundary(state, inputs, labels)
            return Taught(result.loss, result.correct, labelled)
        answered = step.run_from_boundary(state, inputs, self._targets(batch, labels))
        return Taught(answered.loss, int(np.count_nonzero(answered.logits.argmax(axis=1) == labels)), labelled)

    def _targets(self, batch: MixedBatch, labels: np.ndarray) -> Targets:
        """What images with these labels (N,) are to be answered with, and how much each of them counts."""
        weights = np.ones(self.classes, np.float32) if self._weights is None else self._weights
        taught = smoothed(weighted(labels, weights), self.settings.label_smoothing or 0)
        if self._old is None:
            return taught
        share = np.float32(self.settings.distill or 0)
        old = weights[labels][:, np.newaxis] * self._old.of(batch, self.train)
        return Targets((1 - share) * taught.targets + share * old, taught.information, taught.log_marginal)

    def end(self, state: TrainingState) -> None:
        """Nothing more."""

    def is_better(self, state: TrainingState, validation: Evaluation | None, number: int) -> bool:
        return number == 0 or (validation is not None and validation.loss < state.best_loss)
