"""What a run reports."""

from __future__ import annotations

import platform
import resource
from importlib.metadata import version

import msgspec
import numpy as np

from tbft_artifacts.manifest import BatchNormPolicy, Drift, Plan
from tbft_runtime.sessions import onnxruntime_version
from tbft_runtime.training.boundary import CacheResult
from tbft_runtime.training.memory import MemoryPlan
from tbft_runtime.training.options import Execution, Settings
from tbft_runtime.training.state import Epoch, Evaluation, TrainingState


class TrainResult(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy before and after on the validation images, latency and memory of a run.

    `accuracy_*` are fractions of `validation_images`, None where no image has a label. `step_ms_*` are
    milliseconds per train step without the first, which warms up; `images_per_second` counts training
    images over the time of their steps; `peak_memory_bytes` is the process's resident maximum;
    `memory` is what was predicted, in bytes, before training began.
    `execution` is how graphs ran; `tuned`: as `tune` had measured it on this device.
    `train_seconds` is time in epochs, of all parts of a resumed run. `cache` is how boundary activations
    were kept, in this part of the run. `energy_joules` is None: no meter.
    """

    bundle_id: str
    plan: str
    drift: Drift
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
    tuned: bool
    step_ms_p50: float | None
    step_ms_p95: float | None
    images_per_second: float | None
    train_seconds: float
    peak_memory_bytes: int
    cache: CacheResult
    memory: MemoryPlan
    energy_joules: float | None
    runtime: dict[str, str]
    run: str

    @property
    def is_worse(self) -> bool:
        """Whether the validation accuracy fell below the base model's."""
        return is_worse(self.accuracy_before, self.accuracy_after)


def is_worse(before: float | None, after: float | None) -> bool:
    """Whether `after` is known to be below `before`."""
    return before is not None and after is not None and after < before


def after(state: TrainingState) -> Evaluation | None:
    """The validation of the best state."""
    if state.best_epoch:
        return state.epochs[state.best_epoch - 1].validation
    return state.adapted if state.adapted is not None else state.before


def latency(epochs: list[Epoch], train_images: int) -> tuple[float | None, float | None, float | None]:
    """(p50, p95) in ms per step without the first step, and images per second over all steps."""
    steps = [milliseconds for epoch in epochs for milliseconds in epoch.step_ms]
    if not steps:
        return None, None, None
    warm = steps[1:] or steps
    p50, p95 = np.percentile(warm, [50, 95])
    seconds = sum(steps) / 1000
    return float(p50), float(p95), train_images * len(epochs) / seconds


def peak_memory_bytes() -> int:
    """The largest resident size of this process so far (Linux counts it in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def runtime_versions() -> dict[str, str]:
    """Versions that a number depends on, and the machine's architecture."""
    return {
        "tbft-edge": version("tbft-edge"),
        "onnxruntime": onnxruntime_version(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def train_result(
    plan: Plan,
    settings: Settings,
    state: TrainingState,
    *,
    train_images: int,
    unlabelled_images: int,
    skipped: tuple[str, ...],
    stopped: str,
    cache: CacheResult,
    memory: MemoryPlan,
    run: str,
) -> TrainResult:
    """Put a result together from the state at the end of a run."""
    p50, p95, rate = latency(state.epochs, train_images)
    before, best = state.before, after(state)
    return TrainResult(
        bundle_id=settings.bundle_id,
        plan=plan.id,
        drift=plan.drift,
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
        train_images=train_images,
        validation_images=before.images if before else 0,
        unlabelled_images=unlabelled_images,
        skipped_images=skipped,
        batch_size=settings.batch_size,
        lr=settings.lr,
        seed=settings.seed,
        threads=settings.threads,
        execution=settings.execution,
        tuned=settings.tuned,
        step_ms_p50=p50,
        step_ms_p95=p95,
        images_per_second=rate,
        train_seconds=sum(epoch.seconds for epoch in state.epochs),
        peak_memory_bytes=peak_memory_bytes(),
        cache=cache,
        memory=memory,
        energy_joules=None,
        runtime=runtime_versions(),
        run=run,
    )
