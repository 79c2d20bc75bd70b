"""What a run reports."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from tbft_artifacts.plan import BatchNormPolicy, Drift, Plan, purpose
from tbft_artifacts.structs import Count
from tbft_runtime.board.machine import peak_memory
from tbft_runtime.board.state import BoardSummary
from tbft_runtime.boundary.activations import CacheResult, recomputed_flops
from tbft_runtime.data.balance import images_per_class
from tbft_runtime.data.dataset import TrainingData
from tbft_runtime.energy.parts import whole_board, whole_cost
from tbft_runtime.energy.result import Energy, MeteringCost
from tbft_runtime.exits.record import Calibration, calibration_of
from tbft_runtime.laps import Latency
from tbft_runtime.reporting.totals import RunTotals
from tbft_runtime.reporting.versions import runtime_versions
from tbft_runtime.run.blends import Blend, best_blend
from tbft_runtime.run.epoch import Evaluation
from tbft_runtime.run.execution import Execution
from tbft_runtime.run.learned_record import Learned
from tbft_runtime.run.options import DEFAULT_LABELS, Augmentation, ClassWeights, LabelUse
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState, is_worse
from tbft_runtime.run.unlabelled_record import Unlabelled
from tbft_runtime.training.memory import MemoryPlan


class OldData(msgspec.Struct, frozen=True, kw_only=True):
    """What a run forgot: accuracies (0 to 1) on images of the source domain that the bundle keeps."""

    images: int
    """Those that were measured on, and never trained on."""
    accuracy_before: float
    """Of the base model."""
    accuracy_after: float | None
    """Of the best state; None where that was not measured."""
    remember: float | None = None
    """Which part (0 to 0.9) of each batch were other kept images; None or 0: none."""
    blends: tuple[Blend, ...] = ()
    """Models from the base one to the best state; none where no epoch was better than the base model."""

    @property
    def chosen(self) -> Blend | None:
        """The model of the best mean of both accuracies."""
        return best_blend(self.blends)


class TrainResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to, all parts of a resumed one together: accuracy, time, memory and energy.

    Of a network with several exits, losses are means over them, and accuracies those of the last one.
    """

    bundle_id: str
    """sha256 (hex) of the bundle's content."""
    plan: str
    """The id of the plan that was trained."""
    drift: Drift | None
    """What that plan answers; None for methods that do not ask."""
    blocks: tuple[str, ...]
    """What of the network was trained."""
    batch_norm: BatchNormPolicy
    """What happened to the statistics of batch norms."""
    accuracy_before: float | None
    """Of the base model on the validation images, 0 to 1; None where none has a label."""
    accuracy_after: float | None
    """Of the best state on the validation images, 0 to 1; None where none has a label."""
    loss_before: float | None
    """Mean cross-entropy of the base model on the validation images; None where none has a label."""
    loss_after: float | None
    """Mean cross-entropy of the best state on the validation images; None where none has a label."""
    best_epoch: int
    """Whose state had the lowest validation loss; 0 is before training."""
    epochs: int
    """How many ended."""
    steps: int
    """Updates of the weights."""
    stopped: str
    """Why it ended: `epochs`, `patience`, `adapted` if nothing was to be trained, `learned` if in one pass, or `guard`:
    without labels it had better not be."""
    train_images: int
    """Those that were trained on."""
    validation_images: int
    """Those with a label that were validated on."""
    unlabelled_images: int
    """How many of the images to train on have no label."""
    skipped_images: tuple[str, ...]
    """Names of those that could not be read."""
    batch_size: int
    """Images per step."""
    lr: float
    """Learning rate."""
    seed: int
    """Decided split and order of the images."""
    threads: int
    """How many computed."""
    execution: Execution
    """How graphs ran."""
    divided: bool = True
    """Whether a batch may go through the gradient graph in parts; not under `batch`, though older reports say so."""
    statistics_part: int | None = None
    """Images that norms with batch statistics normalised together at least, where parts of a batch have their own."""
    method: str = "tbft"
    """The rule by which the trained part was chosen; reports from before there were others are of target blocks."""
    selection: Selection | None = None
    """Which channels of which layers were trained; None where the bundle leaves no such choice."""
    tuned: bool
    """Whether it ran as `tune` had measured on this device."""
    latency: dict[str, Latency]
    """Percentiles by phase, and of whole `step`s, from reading images to updated weights."""
    images_per_second: float | None
    """Training images over the time of their steps; None if there was no step."""
    train_seconds: float
    """Time in epochs."""
    peak_memory_bytes: int
    """The process's resident maximum."""
    cache: CacheResult
    """How boundary activations were kept, in the last part of a resumed run."""
    memory: MemoryPlan
    """What was predicted, before training began."""
    energy: Energy
    """Of the epochs."""
    metering: MeteringCost
    """What measuring cost."""
    board: BoardSummary
    """How the board was meanwhile."""
    runtime: dict[str, str]
    """Versions that the figures depend on."""
    run: str
    """The run's folder."""
    learned: Learned | None = None
    """The head that was made in one pass over the images: what was learned, or what training began with."""
    old: OldData | None = None
    """What was forgotten; None where the bundle keeps no images of the source domain, or they say nothing here."""
    distill: float | None = None
    """Which part (0 to 1) of what was learned were the old model's answers; None or 0: labels alone."""
    label_smoothing: float | None = None
    """Which part (0 to 1) of what labels said was spread evenly over all classes; None or 0: none of it."""
    exits: Calibration | None = None
    """When exits before the last one answer; None without any, or without labelled validation images."""
    class_weights: ClassWeights = "none"
    """How much images counted in the losses, also of those that validate; "balanced": each class alike."""
    augment: tuple[Augmentation, ...] = ()
    """How images to train on were changed, others in each epoch."""
    recomputed_flops: float | None = None
    """Of the frozen part in each epoch, which without `augment` runs once; None where that makes no difference."""
    train_per_class: tuple[Count, ...] = ()
    """How many labelled images of each class were trained on; empty in reports from before, and if nothing was."""
    labels: LabelUse = DEFAULT_LABELS
    """Whose labels were trained on: of all images that have one, or of none."""
    verified: bool | None = None
    """Of a run without labels, whether labelled images decided what is kept; None where labels were trained on."""
    unlabelled: Unlabelled | None = None
    """What a run without labels did; None where labels were trained on."""

    @property
    def purpose(self) -> str:
        """What was trained for, in words."""
        return purpose(self.method, self.drift)

    @property
    def is_worse(self) -> bool:
        """Whether the validation accuracy fell below the base model's."""
        return is_worse(self.accuracy_before, self.accuracy_after)


def train_result(
    plan: Plan,
    settings: Settings,
    data: TrainingData,
    classes: int,
    state: TrainingState,
    *,
    stopped: str,
    cache: CacheResult,
    memory: MemoryPlan,
    selection: Selection | None,
    learned: Learned | None = None,
    no_energy: str,
    run: str,
) -> TrainResult:
    """Put a result together from the state at the end of a run that told so many `classes` apart.

    `no_energy` is why there are no joules, if so.
    """
    totals = RunTotals.of(state)
    trains = settings.epochs > 0 or learned is not None
    step_seconds = totals.laps["step"].ms / 1000
    before, best = state.before, state.after
    return TrainResult(
        bundle_id=settings.bundle_id,
        plan=plan.id,
        drift=plan.drift,
        method=plan.method,
        selection=selection,
        learned=learned or state.learned,
        blocks=plan.blocks if trains else (),
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
        statistics_part=plan.statistics_part,
        tuned=settings.tuned,
        latency=totals.latencies(),
        images_per_second=trained_images(data, state, totals.epochs) / step_seconds if step_seconds else None,
        train_seconds=totals.energy.seconds,
        peak_memory_bytes=peak_memory(),
        cache=cache,
        memory=memory,
        energy=totals.energy.total(no_energy),
        metering=whole_cost(state.parts),
        board=whole_board(state.parts),
        runtime=runtime_versions(),
        run=run,
        old=_old_data(settings, state),
        distill=settings.distill,
        label_smoothing=settings.label_smoothing,
        exits=calibration_of(plan, settings, state),
        labels=settings.labels,
        verified=None if settings.labels == "all" else settings.check_labels is not None,
        unlabelled=told(state),
        class_weights=settings.class_weights,
        augment=settings.augment,
        recomputed_flops=recomputed_flops(plan, settings, data.images),
        train_per_class=images_per_class(data.train.labels(data.train.indices), classes) if trains else (),
    )


def _old_data(settings: Settings, state: TrainingState) -> OldData | None:
    if state.old_before is None:
        return None
    return OldData(
        images=state.old_before.images,
        accuracy_before=state.old_before.accuracy,
        accuracy_after=None if state.old_after is None else state.old_after.accuracy,
        remember=settings.remember,
        blends=state.blends,
    )


def trained_images(data: TrainingData, state: TrainingState, epochs: int) -> int:
    """How many images steps were made of, each in each of `epochs`."""
    return len(data.train) * epochs if state.unlabelled is None else state.unlabelled.trained


def told(state: TrainingState) -> Unlabelled | None:
    """What a run without labels did, with what is kept of it."""
    record = state.unlabelled
    if record is None:
        return None
    refused = record.decision == "keep" or (
        state.after is not None and state.after == state.before and state.after != state.adapted
    )
    return replace(record, kept=None if refused and not state.best_epoch else state.best_epoch)


def _right(found: Evaluation | None) -> float | None:
    return None if found is None else found.accuracy
