"""`report.json`: everything a run has to tell, in one versioned file.

The schema is published as docs/report.schema.json. A field may be added within a format; one that
changes or goes makes a new `FORMAT`.
"""

from __future__ import annotations

import msgspec

from tbft_runtime.energy.result import Telemetry
from tbft_runtime.meters.meter import Source
from tbft_runtime.profiling.profile import Profile
from tbft_runtime.reporting.result import TrainResult
from tbft_runtime.run.diagnosis_record import Diagnosis
from tbft_runtime.timing import PhaseTime

FORMAT = 1


class EpochRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch. `phases` say what took how long. `train_accuracy` is None where no training image has a label.

    Joules, also those of the phases, are of the part that the meter `covered` (0 to 1), None where it covered none.
    """

    number: int
    train_loss: float
    train_accuracy: float | None
    validation_loss: float
    validation_accuracy: float
    seconds: float
    joules: float | None
    covered: float
    phases: tuple[PhaseTime, ...]


class BlockRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One block of the network, in order, and how many parameters it has."""

    name: str
    parameters: int
    trained: bool


class ClassRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Of the validation images of one class, how many are right before and after."""

    name: str
    images: int
    right_before: int
    right_after: int


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """So many `images` of class `true` were called `predicted`; cells with none are left out."""

    true: int
    predicted: int
    images: int


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """`counts[i]` values lie in [edges[i], edges[i + 1])."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A run. `started_at` is the wall clock's word in ISO 8601, which may be wrong; durations never come from it.

    `preparation` is what was done before the first epoch, and `preparation_source` where its joules come from;
    all others come from the source in the result, and epochs with another one have none. `step_ms` is the
    histogram of train steps without those that warm up. `data` is a hash of the images. `loss_before` and
    `accuracy_before` of the result are epoch 0 of the plots. `telemetry` counts seconds from the beginning of
    the first epoch, without breaks. `diagnosis` is why the device chose this plan, None where it was told.
    """

    format: int
    started_at: str
    result: TrainResult
    data: str
    model: str
    classes: tuple[str, ...]
    image_size: int
    blocks: tuple[BlockRecord, ...]
    preparation: tuple[PhaseTime, ...]
    preparation_source: Source | None
    epochs: tuple[EpochRecord, ...]
    step_ms: Histogram | None
    telemetry: tuple[Telemetry, ...]
    per_class: tuple[ClassRecord, ...]
    confusion_before: tuple[Cell, ...]
    confusion_after: tuple[Cell, ...]
    profile: Profile | None
    diagnosis: Diagnosis | None = None
