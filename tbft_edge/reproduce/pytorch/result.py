"""What fine-tuning in PyTorch reports."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tbft_runtime.run.epoch import Evaluation


class PyTorchResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Accuracies (0 to 1) are on the test images, losses on the validation images.

    `accuracy_before` is the given network's, `accuracy` that of its best state. `starting_loss` belongs to
    epoch 0, the state before the first step, with statistics re-estimated where the policy is `adapt`;
    `validation_loss` to the epochs from 1 on. `step_seconds` is the median of the train steps, from pixels
    to updated weights, the first one left out, None if there is no other; `train_seconds` is time in
    epochs, validation included. `diverged`: a loss was no number, and ended the training.
    """

    accuracy_before: float
    accuracy: float
    starting_loss: float
    validation_loss: tuple[float, ...]
    best_epoch: int
    epochs: int
    step_seconds: float | None
    train_seconds: float
    diverged: bool = False


@dataclass(frozen=True)
class EpochEnd:
    """An epoch is over: its number from 1 on, mean training loss along the way, and validation."""

    number: int
    train_loss: float
    validation: Evaluation
    is_best: bool
