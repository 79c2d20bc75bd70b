"""What a run reports."""

from __future__ import annotations

import platform
from importlib.metadata import version

import msgspec
import numpy as np

from tbft_artifacts.plan import BatchNormPolicy, Drift, Plan, purpose
from tbft_runtime.board.machine import peak_memory
from tbft_runtime.board.state import BoardSummary
from tbft_runtime.boundary.activations import CacheResult
from tbft_runtime.data.dataset import TrainingData
from tbft_runtime.energy.parts import whole_board, whole_cost
from tbft_runtime.energy.result import Energy, MeteringCost
from tbft_runtime.energy.total import total
from tbft_runtime.exits.record import Calibration, calibration
from tbft_runtime.graphs.sessions import onnxruntime_version
from tbft_runtime.run.execution import Execution
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState, after, is_worse
from tbft_runtime.timing import PHASES, WARMING, Latency, latency, warm_laps
from tbft_runtime.training.memory import MemoryPlan


class TrainResult(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy before and after on the validation images, latency and memory of a run.

    `accuracy_*` are fractions of `validation_images`, None where no image has a label. `latency` has
    percentiles by phase, and of whole `step`s, from reading images to updated weights;
    `images_per_second` counts training images over the time of their steps; `peak_memory_bytes` is the
    process's resident maximum; `memory` is what was predicted, in bytes, before training began.
    `execution` is how graphs ran; `divided`: a batch may go through the gradient graph in parts; `tuned`:
    as `tune` had measured it on this device.
    `train_seconds` is time in epochs, `energy` theirs, `board` how the board was and `metering` what measuring
    cost, each of all parts of a resumed run. `selection` says which channels of which layers were trained, None where
    the bundle leaves no such choice. `cache` is how boundary activations were kept in the last one.
    Of a network with several exits, losses are means over them, accuracies those of the last one, and `exits` says
    when the others answer; None without labelled validation images, too.
    """

    bundle_id: str
    plan: str
    drift: Drift | None
    blocks: tuple[str, ...]
    batch_norm: BatchNormPolicy
    accuracy_before: float | None
    accuracy_after: float | None
    loss_before: float | None
    loss_after: float | None
    best_epoch: int
    epochs: int
    steps: int
    stopped: str
    train_images: int
    validation_images: int
    unlabelled_images: int
    skipped_images: tuple[str, ...]
    batch_size: int
    lr: float
    seed: int
    threads: int
    execution: Execution
    # Reports from before there was this field have it False under `batch` alone.
    divided: bool = True
    # Reports from before there were others are of target blocks.
    method: str = "tbft"
    selection: Selection | None = None
    tuned: bool
    latency: dict[str, Latency]
    images_per_second: float | None
    train_seconds: float
    peak_memory_bytes: int
    cache: CacheResult
    memory: MemoryPlan
    energy: Energy
    metering: MeteringCost
    board: BoardSummary
    runtime: dict[str, str]
    run: str
    exits: Calibration | None = None

    @property
    def purpose(self) -> str:
        """What was trained for, in words."""
        return purpose(self.method, self.drift)

    @property
    def is_worse(self) -> bool:
        """Whether the validation accuracy fell below the base model's."""
        return is_worse(self.accuracy_before, self.accuracy_after)


def calibration_of(plan: Plan, settings: Settings, state: TrainingState) -> Calibration | None:
    """When the exits of the best state answer: by the validation images; None where no image told."""
    return None if state.exits is None else calibration(plan.exits, state.exits, settings.exit_accuracy)


def runtime_versions() -> dict[str, str]:
    """Versions that a number depends on, and the machine's architecture."""
    return {
        "tbft-edge": version("tbft-edge"),
        "onnxruntime": onnxruntime_version(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def latencies(state: TrainingState) -> dict[str, Latency]:
    """Percentiles by phase, whole train steps first; the first step of a process warms up and is left out."""
    stretches: dict[str, list[tuple[list[float], bool]]] = {
        "step": [(epoch.step_ms, epoch.warm_up) for epoch in state.epochs],
        **{phase: [] for phase in PHASES},
    }
    for time in state.preparation:
        stretches[time.phase].append((time.laps_ms, False))
    for epoch in state.epochs:
        for time in epoch.phases:
            stretches[time.phase].append((time.laps_ms, epoch.warm_up and time.phase in WARMING))
    found = {name: latency(*warm_laps(parts)) for name, parts in stretches.items()}
    return {name: spread for name, spread in found.items() if spread is not None}


def train_result(
    plan: Plan,
    settings: Settings,
    data: TrainingData,
    state: TrainingState,
    *,
    stopped: str,
    cache: CacheResult,
    memory: MemoryPlan,
    selection: Selection | None,
    no_energy: str,
    run: str,
) -> TrainResult:
    """Put a result together from the state at the end of a run; `no_energy` is why there are no joules, if so."""
    step_seconds = sum(sum(epoch.step_ms) for epoch in state.epochs) / 1000
    before, best = state.before, after(state)
    return TrainResult(
        bundle_id=settings.bundle_id,
        plan=plan.id,
        drift=plan.drift,
        method=plan.method,
        selection=selection,
        blocks=plan.blocks if settings.epochs else (),
        batch_norm=settings.batch_norm,
        accuracy_before=before.accuracy if before else None,
        accuracy_after=best.accuracy if best else None,
        loss_before=before.loss if before else None,
        loss_after=best.loss if best else None,
        best_epoch=state.best_epoch,
        epochs=state.epoch,
        steps=state.step,
        stopped=stopped,
        train_images=len(data.train),
        validation_images=before.images if before else 0,
        unlabelled_images=data.unlabelled,
        skipped_images=data.skipped,
        batch_size=settings.batch_size,
        lr=settings.lr,
        seed=settings.seed,
        threads=settings.threads,
        execution=settings.execution,
        divided=plan.divides,
        tuned=settings.tuned,
        latency=latencies(state),
        images_per_second=len(data.train) * len(state.epochs) / step_seconds if step_seconds else None,
        train_seconds=sum(epoch.seconds for epoch in state.epochs),
        peak_memory_bytes=peak_memory(),
        cache=cache,
        memory=memory,
        energy=total([(epoch.seconds, epoch.energy) for epoch in state.epochs], no_energy),
        metering=whole_cost(state.parts),
        board=whole_board(state.parts),
        runtime=runtime_versions(),
        run=run,
        exits=calibration_of(plan, settings, state),
    )
