"""Put a run's report together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.rights import shared_as
from tbft_runtime.energy.result import Telemetry
from tbft_runtime.meters.meter import Source
from tbft_runtime.profiling.profile import Profile
from tbft_runtime.reporting.report import (
    FORMAT,
    BlockRecord,
    Cell,
    ClassRecord,
    EpochRecord,
    Histogram,
    Report,
)
from tbft_runtime.reporting.result import TrainResult
from tbft_runtime.run.epoch import Epoch
from tbft_runtime.run.folder import RunFile
from tbft_runtime.run.state import TrainingState
from tbft_runtime.tally import per_class
from tbft_runtime.timing import warm_laps

HISTOGRAM_BINS = 30


def build_report(
    manifest: Manifest, run: RunFile, state: TrainingState, result: TrainResult, profile: Profile | None
) -> Report:
    """Everything that the state at the end of a run knows, beside its result."""
    epochs = [_of_source(epoch, result.energy.source) for epoch in state.epochs]
    before, after = (state.confusions.get(name, np.empty((0, 3), np.int64)) for name in ("before", "best"))
    return Report(
        format=FORMAT,
        started_at=run.started_at,
        result=result,
        data=run.data_fingerprint,
        model=manifest.model,
        classes=manifest.classes,
        image_size=manifest.image_size,
        blocks=_blocks(manifest, result),
        preparation=tuple(state.preparation),
        preparation_source=state.parts[0].source,
        epochs=tuple(map(_record, epochs)),
        step_ms=_histogram([(epoch.step_ms, epoch.warm_up) for epoch in state.epochs]),
        telemetry=tuple(_telemetry(epochs)),
        per_class=_classes(manifest.classes, before, after),
        confusion_before=_cells(before),
        confusion_after=_cells(after),
        profile=profile,
        diagnosis=run.diagnosis,
    )


def write_report(report: Report, path: Path) -> None:
    """Replace the file at `path` as a whole."""
    with atomic_file(path, mode=shared_as(path.parent)) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))


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
        validation_loss=epoch.validation.loss,
        validation_accuracy=epoch.validation.accuracy,
        seconds=epoch.seconds,
        joules=epoch.energy.joules if epoch.energy is not None and covered > 0 else None,
        covered=min(1.0, covered / epoch.seconds),
        phases=tuple(epoch.phases),
    )


def _telemetry(epochs: Sequence[Epoch]) -> list[Telemetry]:
    """Of all epochs, as if one had followed the other without a break."""
    points: list[Telemetry] = []
    began = 0.0
    for epoch in epochs:
        points += [replace(point, seconds=round(began + point.seconds, 3)) for point in epoch.telemetry]
        began += epoch.seconds
    return points


def _histogram(stretches: Sequence[tuple[Sequence[float], bool]]) -> Histogram | None:
    laps, _ = warm_laps(stretches)
    if not laps:
        return None
    counts, edges = np.histogram(laps, bins=min(HISTOGRAM_BINS, max(1, len(laps) // 3)))
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))


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
