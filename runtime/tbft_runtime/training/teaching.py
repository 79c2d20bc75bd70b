"""Who says what the images of a step are to be answered with, and which state is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tbft_artifacts.names import NO_LABEL
from tbft_runtime.data.dataset import Part
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.run.epoch import Evaluation
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState
from tbft_runtime.training.step import TrainStep

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

    @property
    def takes_targets(self) -> bool:
        """Whether steps need the gradient graph that takes targets."""

    def begin(self, state: TrainingState, ask: Ask) -> None:
        """Before the first epoch, once statistics are re-estimated, if they are: what of them stays."""

    def goes_on(self, state: TrainingState) -> bool:
        """Whether there is to be training at all, as `begin` found."""

    def batches(self, state: TrainingState, number: int, ask: Ask) -> Sequence[np.ndarray]:
        """Store indices of each batch of epoch `number`, in order; `ask` is for what is answered now."""

    def step(self, step: TrainStep, state: TrainingState, inputs: Tensors, indices: np.ndarray) -> Taught:
        """Train on the images at `indices`, of which `inputs` is what a step begins with."""

    def end(self, state: TrainingState) -> None:
        """After the last step of an epoch, and before it is evaluated."""

    def is_better(self, state: TrainingState, validation: Evaluation | None, number: int) -> bool:
        """Whether the state after epoch `number`, evaluated so, takes the place of the best one; 0 is before them."""


@dataclass(frozen=True)
class ByLabels:
    """Labels teach, and the lowest validation loss is best."""

    train: Part
    settings: Settings

    @property
    def takes_targets(self) -> bool:
        return False

    def begin(self, state: TrainingState, ask: Ask) -> None:
        """All of them."""

    def goes_on(self, state: TrainingState) -> bool:  # noqa: ARG002
        return True

    def batches(self, state: TrainingState, number: int, ask: Ask) -> Sequence[np.ndarray]:  # noqa: ARG002
        return self.train.shuffled(self.settings.batch_size, (self.settings.seed, number))

    def step(self, step: TrainStep, state: TrainingState, inputs: Tensors, indices: np.ndarray) -> Taught:
        labels = self.train.labels(indices)
        result = step.run_from_boundary(state, inputs, labels)
        return Taught(result.loss, result.correct, int(np.count_nonzero(labels != NO_LABEL)))

    def end(self, state: TrainingState) -> None:
        """Nothing more."""

    def is_better(self, state: TrainingState, validation: Evaluation | None, number: int) -> bool:
        return number == 0 or (validation is not None and validation.loss < state.best_loss)
