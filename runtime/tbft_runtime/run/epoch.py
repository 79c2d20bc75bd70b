"""One epoch of a run: how well it went, and what it took."""

from __future__ import annotations

import msgspec

from tbft_artifacts.structs import Count, Epochs, Loss, Part, Seconds
from tbft_runtime.energy.result import StretchEnergy, Telemetry
from tbft_runtime.laps import Laps
from tbft_runtime.timing import PhaseTime


class Evaluation(msgspec.Struct, frozen=True):
    """Mean cross-entropy and accuracy (0 to 1) over `images` images."""

    loss: Loss
    accuracy: Part
    images: Count


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch: training loss and accuracy along the way, validation, and times from the monotonic clock.

    `train_accuracy` is that of images with a label that was trained towards, None where there is none; `train_loss` of
    a run without labels is the mean entropy of its answers. `validation` is None where no image to validate on has a
    label, which only such runs allow. `warm_up`: the first one of a process, whose first step allocates and loads.
    `phases`, `energy` and `telemetry` say what it took; energy is None without a meter.
    """

    number: Epochs
    train_loss: Loss
    train_accuracy: Part | None
    validation: Evaluation | None
    seconds: Seconds
    steps: Laps
    warm_up: bool
    phases: list[PhaseTime] = []
    energy: StretchEnergy | None = None
    telemetry: list[Telemetry] = []
