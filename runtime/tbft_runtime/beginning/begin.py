"""Begin a run, or go on with one: everything that is settled before its first step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_artifacts.stored_paths import stored as stored_path
from tbft_artifacts.words import printable
from tbft_runtime.beginning.budget import within_budget
from tbft_runtime.beginning.decided import Decided
from tbft_runtime.beginning.diagnosed import diagnosed
from tbft_runtime.beginning.going_on import going_on
from tbft_runtime.beginning.selected import selected, with_selection
from tbft_runtime.boundary.activations import recomputed_flops
from tbft_runtime.data.balance import note_classes
from tbft_runtime.data.dataset import TrainingData, open_data, open_sources
from tbft_runtime.energy.metering import Metering
from tbft_runtime.exits.choice import check_one_way
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.kept.images import NOTHING_KEPT, KeptImages, load_kept, why_unusable
from tbft_runtime.kept.mixing import mixed_batches
from tbft_runtime.progress import Outline, Progress
from tbft_runtime.run.base import check_reaches
from tbft_runtime.run.check_run import check_selection, check_settings, check_state
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.options import AUTO, TrainOptions
from tbft_runtime.run.resolve import resolve, resumed
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import Arrays, TrainingState
from tbft_runtime.timing import Stopwatch
from tbft_runtime.training.batch_norm import check_batch
from tbft_runtime.training.memory import MemoryPlan, plan_memory
from tbft_runtime.tuning.record import with_tuning


@dataclass(frozen=True)
class Beginning:
    """What a run is to do, all decided, and what it has for that."""

    bundle: Bundle
    """With the weights that the run begins with, if they are not its own."""
    plan: Plan
    """With the channels that the device chose, if it chose any."""
    run: RunFile
    """What the folder keeps of this: settings, data, and why the plan is what it is."""
    data: TrainingData
    kept: KeptImages
    """Images of the source domain, if the bundle has some that say anything here."""
    weights: Tensors
    """Those that the run begins with."""
    adapted: Arrays | None
    """Re-estimated statistics of batch norms, if that was done already."""
    memory: MemoryPlan
    """What training is expected to take."""
    state: TrainingState | None
    """Where an earlier part of the run ended; None in its first part."""

    @property
    def settings(self) -> Settings:
        return self.run.settings


def begin(
    bundle: Bundle,
    options: TrainOptions,
    folder: RunFolder,
    state: TrainingState | None,
    progress: Progress,
    metering: Metering,
    stopwatch: Stopwatch,
) -> Beginning:
    """Decide what is trained, how and from which weights, prepare the images, and write `run.json` into the folder.

    `state` is what an earlier part of the run left, which goes on as it began. The idle board is measured if there
    is something left to do. Raises TbftError for bad input.
    """
    stored = None if state is None else state.run
    started_at = datetime.now(UTC).isoformat(timespec="seconds") if stored is None else stored.started_at
    bundle, base = going_on(bundle, options, folder, stored, progress)
    if stored is None:
        decided = _decide(bundle, options, folder, progress, stopwatch)
        settings = with_tuning(
            resolve(options, decided.plan, bundle), decided.plan, folder.tuning_file, options.threads, progress
        )
    elif stored.learned is not None:
        raise TbftError(
            f"the run in '{folder.path}' was learned in one pass, and has no epoch to go on with",
            "choose another `out`, and begin with this run: `base`",
        )
    else:
        settings = resumed(stored.settings, options, bundle)
        check_settings(settings, bundle, folder.path)
        decided = _as_before(bundle, stored, folder.path)
    plan = decided.plan
    if base is not None:
        check_reaches(bundle, plan, base)
    kept = _kept(bundle, plan, settings, progress)
    sources = open_sources(bundle, settings, options.memory_budget)
    progress.started(Outline(run=printable(folder.path), plan=plan.id, drift=plan.drift, epochs=settings.epochs))
    if state is not None and stored is not None:
        check_state(state, bundle.manifest, plan, msgspec.structs.replace(stored, settings=settings), folder.path)
    if state is None or state.epoch < settings.epochs:
        metering.measure_idle(progress.note)
    data = decided.data or open_data(plan, settings, sources, folder.cache, progress, stopwatch)
    if stored is not None and stored.data_fingerprint != data.fingerprint:
        raise TbftError(f"the data of the run in '{folder.path}' changed", "start again with another `out`")
    if settings.epochs:
        last = mixed_batches(data.train, settings, kept.remembered, 0)[-1]
        check_batch(bundle.manifest.moving_norms(plan), len(last.order))
    if settings.remember and not len(kept.remembered):
        raise TbftError(
            f"of the {plan.kept} {bundle.manifest.noun}s that plan '{plan.id}' keeps, all are there to measure on",
            "export with a larger `keep`, or leave out `remember`",
        )
    if stored is None and settings.epochs and settings.labels == "all":
        balanced = settings.class_weights == "balanced"
        note_classes(bundle.manifest, data.train, progress, balanced=balanced, hint=plan.soft_targets)
        if (again := recomputed_flops(plan, settings, data.images)) is not None:
            progress.note(
                f"`augment` switches the activation cache off: each epoch computes the frozen part of all "
                f"{data.images:,} {bundle.manifest.noun}s again, {again / 1e6:,.1f} MFLOP"
            )
    resuming = stored is not None
    settings = within_budget(bundle, plan, settings, data.images, options, decided.process, resuming=resuming)
    memory = plan_memory(bundle, plan, settings, data.images, decided.process)
    memory = memory.after_reading(data.reading, options.memory_budget)
    place = stored_path(bundle.folder.resolve())
    chosen, added = (decided.diagnosis, decided.selection), bundle.added_classes
    run = RunFile(place, data.fingerprint, started_at, settings, *chosen, base, added)
    folder.write_run(run)
    weights = decided.weights or load_weights(bundle)
    return Beginning(bundle, plan, run, data, kept, weights, decided.adapted, memory, state)


def _kept(bundle: Bundle, plan: Plan, settings: Settings, progress: Progress) -> KeptImages:
    """What the bundle keeps for the plan; nothing, and a note says why, where that says nothing of this run."""
    reason = why_unusable(plan, settings)
    if reason is None:
        return load_kept(bundle, plan)
    progress.note(f"nothing is said of what is forgotten: {reason}")
    return NOTHING_KEPT


def _decide(
    bundle: Bundle, options: TrainOptions, folder: RunFolder, progress: Progress, stopwatch: Stopwatch
) -> Decided:
    """What a new run trains: what it was told, or what the device finds out by its own images."""
    if options.drift == AUTO:
        return diagnosed(bundle, options, folder.cache, progress, stopwatch)
    told = options.plan is not None or options.drift is not None
    plan = bundle.plan(options.plan, options.drift) if told else None
    plans = bundle.manifest.plans if plan is None else (plan,)
    if options.epochs != 0 and all(each.sparse is not None for each in plans):
        return selected(bundle, plans, options, folder.cache, progress, stopwatch)
    if plan is None:
        check_one_way(bundle, Path(options.data))
    return Decided(plan or bundle.plan())


def _as_before(bundle: Bundle, stored: RunFile, run: Path) -> Decided:
    """What an earlier part of the run trained."""
    plan, selection = bundle.plan(stored.settings.plan), stored.selection
    if selection is not None:
        check_selection(selection, plan, run)
        plan = with_selection(bundle.manifest, plan, selection)
    return Decided(plan, stored.diagnosis, selection)
