"""Put a run's report together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace

from tbft_artifacts.atomic import replace_if_other
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.rights import shared_as
from tbft_runtime.energy.result import Telemetry
from tbft_runtime.energy.total import share
from tbft_runtime.laps import LapSum, histogram
from tbft_runtime.meters.meter import Source
from tbft_runtime.profiling.profile import Profile
from tbft_runtime.reporting.report import (
    FORMAT,
    BlockRecord,
    Cell,
    ClassRecord,
    EpochRecord,
    Histogram,
    PhaseRecord,
    Report,
)
from tbft_runtime.reporting.result import TrainResult
from tbft_runtime.run.epoch import Epoch
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.state import TrainingState
from tbft_runtime.tally import per_class
from tbft_runtime.timing import PhaseTime
from tbft_runtime.training.accounts import TELEMETRY_POINTS

HISTOGRAM_BINS = 30
# More epochs than these nobody reads one by one; the file stays within what is read again.
KEPT_EPOCHS = 10_000


def build_report(
    manifest: Manifest, run: RunFile, state: TrainingState, result: TrainResult, profile: Profile | None
) -> Report:
    """Everything that the state at the end of a run knows, beside its result."""
    recorded = _Recorded.of(state, result.energy.source)
    before, after = (state.confusions.get(name, np.empty((0, 3), np.int64)) for name in ("before", "best"))
    return Report(
        format=FORMAT,
        started_at=run.started_at,
        result=result,
        data=run.data_fingerprint,
        model=manifest.model,
        classes=manifest.classes,
        image_size=manifest.shape.width if manifest.shape.is_square_rgb else None,
        input_shape=manifest.shape,
        input_kind=manifest.noun,
        blocks=_blocks(manifest, result),
        preparation=tuple(map(_phase, state.preparation)),
        preparation_source=state.parts[0].source,
        epochs=tuple(recorded.records),
        epoch_stride=recorded.stride,
        lost_epochs=state.epoch - recorded.seen,
        step_ms=_histogram(recorded.steps),
        telemetry=tuple(recorded.telemetry.points),
        per_class=_classes(manifest.classes, before, after),
        confusion_before=_cells(before),
        confusion_after=_cells(after),
        profile=profile,
        diagnosis=run.diagnosis,
        base=run.base,
    )


def write_report(report: Report, path: Path) -> None:
    """Replace the file at `path` as a whole."""
    replace_if_other(path, msgspec.json.format(msgspec.json.encode(report), indent=1), mode=shared_as(path.parent))


@dataclass
class _Thinned:
    """At most twice `most` points in order, evenly spread over all that were added."""

    most: int
    points: list[Telemetry] = field(default_factory=list)
    _every: int = 1
    _seen: int = 0

    def add(self, point: Telemetry) -> None:
        if self._seen % self._every == 0:
            self.points.append(point)
        self._seen += 1
        if len(self.points) > 2 * self.most:
            del self.points[1::2]
            self._every *= 2


@dataclass
class _Recorded:
    """What is told of single epochs, and over time, as if one had followed the other without a break.

    Of so many epochs that nobody reads them all, every `stride`th is kept, and `best`. Joules and watts of another
    meter than `source` are left out.
    """

    source: Source | None
    stride: int
    best: int
    records: list[EpochRecord] = field(default_factory=list)
    telemetry: _Thinned = field(default_factory=lambda: _Thinned(TELEMETRY_POINTS))
    steps: LapSum = field(default_factory=LapSum)
    seen: int = 0
    _last: Epoch | None = None
    _began: float = 0.0

    @classmethod
    def of(cls, state: TrainingState, source: Source | None) -> _Recorded:
        found = cls(source, -(-len(state.epochs) // KEPT_EPOCHS) or 1, state.best_epoch)
        for epoch in state.epochs:
            found._add(epoch)
        if found._last is not None:
            found.records.append(_record(found._last))
        return found

    def _add(self, epoch: Epoch) -> None:
        self.seen += 1
        ours = _of_source(epoch, self.source)
        if (epoch.number - 1) % self.stride == 0 or epoch.number == self.best:
            self.records.append(_record(ours))
            self._last = None
        else:
            self._last = ours
        self.steps.add(epoch.steps, warms_up=epoch.warm_up)
        for point in ours.telemetry:
            self.telemetry.add(replace(point, seconds=round(self._began + point.seconds, 3)))
        self._began += epoch.seconds


def _of_source(epoch: Epoch, source: Source | None) -> Epoch:
    """The epoch, without joules and watts if another meter than the report's says them."""
    if epoch.energy is None or epoch.energy.source == source:
        return epoch
    return replace(
        epoch,
        energy=None,
        phases=[replace(phase, joules=None) for phase in epoch.phases],
        telemetry=[replace(moment, watts=None) for moment in epoch.telemetry],
    )


def _record(epoch: Epoch) -> EpochRecord:
    covered = 0.0 if epoch.energy is None else epoch.energy.covered_seconds
    return EpochRecord(
        number=epoch.number,
        train_loss=epoch.train_loss,
        train_accuracy=epoch.train_accuracy,
        validation_loss=epoch.validation.loss if epoch.validation else None,
        validation_accuracy=epoch.validation.accuracy if epoch.validation else None,
        seconds=epoch.seconds,
        joules=epoch.energy.joules if epoch.energy is not None and covered > 0 else None,
        covered=share(covered, epoch.seconds),
        phases=tuple(map(_phase, epoch.phases)),
    )


def _phase(time: PhaseTime) -> PhaseRecord:
    return PhaseRecord(phase=time.phase, seconds=time.seconds, joules=time.joules, laps=time.laps.count)


def _histogram(steps: LapSum) -> Histogram | None:
    bins, _ = steps.warm()
    if not bins:
        return None
    edges, counts = histogram(bins, min(HISTOGRAM_BINS, max(1, sum(bins.values()) // 3)))
    return Histogram(edges=edges, counts=counts)


def _classes(names: Sequence[str], before: np.ndarray, after: np.ndarray) -> tuple[ClassRecord, ...]:
    was, became = per_class(before), per_class(after)
    return tuple(
        ClassRecord(name=names[index], images=images, right_before=right, right_after=became[index][1])
        for index, (images, right) in was.items()
    )


def _cells(confusion: np.ndarray) -> tuple[Cell, ...]:
    return tuple(Cell(*row) for row in confusion.tolist())


def _blocks(manifest: Manifest, result: TrainResult) -> tuple[BlockRecord, ...]:
    """The network's blocks in order; the exporter divided them so that each was trained as a whole or not at all."""
    return tuple(
        BlockRecord(name=block.name, parameters=block.parameters, trained=block.is_inside(result.blocks))
        for block in manifest.blocks
    )
