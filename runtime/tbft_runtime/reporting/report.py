"""`report.json`: everything a run has to tell, in one versioned file.

The schema is published as docs/report.schema.json. A field may be added within a format; one that
changes or goes makes a new `FORMAT`.
"""

from __future__ import annotations

import msgspec

from tbft_artifacts.input_shape import InputShape, square_rgb
from tbft_artifacts.preprocessing import Noun
from tbft_runtime.energy.result import Telemetry
from tbft_runtime.meters.meter import Source
from tbft_runtime.profiling.profile import Profile
from tbft_runtime.reporting.result import TrainResult
from tbft_runtime.run.base_record import Base
from tbft_runtime.run.diagnosis_record import Diagnosis
from tbft_runtime.timing import Phase

FORMAT = 2
# In format 1 each phase had the time of each of its laps, as `laps_ms`, and not how many there were.
READABLE = (1, 2)


class PhaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a phase took in a stretch of a run."""

    phase: Phase
    seconds: float
    joules: float | None
    """None without a meter."""
    laps: int | None = None
    """How many times it was gone through; None in reports of format 1."""


class EpochRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch."""

    number: int
    """Counted from 1."""
    train_loss: float
    """Mean over the training images, along the way: cross-entropy, or without labels the entropy of the answers."""
    train_accuracy: float | None
    """Part (0 to 1) of those with a label that was answered rightly along the way; None where none has one."""
    validation_loss: float | None
    """Mean cross-entropy over the validation images, at its end; None where none has a label."""
    validation_accuracy: float | None
    """Part (0 to 1) of the validation images that was answered rightly, at its end; None where none has a label."""
    seconds: float
    """From its beginning until its state was saved."""
    joules: float | None
    """Of the part that the meter covered, as are those of the phases; None where it covered none."""
    covered: float
    """Which part (0 to 1) of the epoch the meter covered."""
    phases: tuple[PhaseRecord, ...]
    """What took how long."""


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
    """A run: its result, and what that was made of, epoch by epoch and class by class."""

    format: int
    """The version of this format."""
    started_at: str
    """The wall clock's word in ISO 8601, which may be wrong; durations never come from it."""
    result: TrainResult
    """Its `loss_before` and `accuracy_before` are epoch 0 of the plots."""
    data: str
    """A hash of the images."""
    model: str
    """The network's name."""
    classes: tuple[str, ...]
    """Their names, by number."""
    image_size: int | None
    """Side of a square colour picture in pixels, if that is what goes in."""
    blocks: tuple[BlockRecord, ...]
    """The network's, in order."""
    preparation: tuple[PhaseRecord, ...]
    """What was done before the first epoch."""
    preparation_source: Source | None
    """Where its joules come from; all others come from the source in the result, and epochs with another have none."""
    epochs: tuple[EpochRecord, ...]
    """In order; of a run with more than 10,000 of them every so many, and the best and the last one."""
    step_ms: Histogram | None
    """Milliseconds of train steps, without those that warm up; None if there was none."""
    telemetry: tuple[Telemetry, ...]
    """Of all epochs; seconds count from the beginning of the first one, without breaks."""
    per_class: tuple[ClassRecord, ...]
    """The classes that validation images have."""
    confusion_before: tuple[Cell, ...]
    """What the base model took the validation images for."""
    confusion_after: tuple[Cell, ...]
    """What the best state took the validation images for."""
    profile: Profile | None
    """Where the time of a train step goes; None unless that was asked for."""
    epoch_stride: int = 1
    """Every so many epochs one is in `epochs`, beginning with the first; everything else is of all of them."""
    lost_epochs: int = 0
    """Of how many epochs the disk lost what they took: no figure of times or joules has them."""
    input_shape: InputShape | None = None
    """Channels, height and width of what goes in; None in reports from before there were others than `image_size`."""
    input_kind: Noun | None = None
    """What one input is: an `image`, or a `window` of a sensor's numbers; None in reports from before it was said."""
    diagnosis: Diagnosis | None = None
    """Why the device chose this plan; None where it was told."""
    base: Base | None = None
    """Which weights it began with; None for the bundle's own."""

    @property
    def shape(self) -> InputShape:
        """Channels, height and width of what goes in."""
        return self.input_shape or square_rgb(self.image_size or 1)

    @property
    def noun(self) -> Noun:
        """What one input is called; where that was not said, by its shape: windows have one row."""
        return self.input_kind or ("window" if self.shape.height == 1 < self.shape.width else "image")
