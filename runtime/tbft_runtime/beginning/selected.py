"""The layers and channels of a run that begins, from its own training images."""

from __future__ import annotations

import dataclasses
import gc
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.data.dataset import TrainingData, open_data, open_sources
from tbft_runtime.data.draw import drawn
from tbft_runtime.progress import Progress
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.run.settings import Settings, resolve
from tbft_runtime.selection.choose import Budgets, choose
from tbft_runtime.selection.fisher import fisher_information
from tbft_runtime.timing import Stopwatch
from tbft_runtime.training.adaptation import adapted_statistics
from tbft_runtime.training.batch_norm import Arrays
from tbft_runtime.training.memory import fit_memory, plan_memory, update_room

# More images say hardly more.
SAMPLES = 128


@dataclass(frozen=True)
class Selected:
    """The run's options with a plan in them, what is trained of it, and what was made on the way.

    `data` are the run's images, prepared; `adapted` its re-estimated statistics, None if they stay as they are.
    `process` is how many bytes the process held before it scored: what scoring took is there for training again.
    """

    options: TrainOptions
    selection: Selection
    data: TrainingData
    adapted: Arrays | None
    process: int


def selects(bundle: Bundle, options: TrainOptions) -> bool:
    """Whether a run with these options has channels to choose."""
    if options.epochs == 0:
        return False
    if options.plan is not None:
        return bundle.plan(options.plan).sparse is not None
    return options.drift is None and all(plan.sparse is not None for plan in bundle.manifest.plans)


def select(bundle: Bundle, options: TrainOptions, cache: Path, progress: Progress, stopwatch: Stopwatch) -> Selected:
    """Prepare the run's images in the folder `cache`, and choose by some that are trained on, not validated on.

    A plan that the options name is the only one to choose in. With re-estimated batch-norm statistics channels are
    scored with those. A memory budget lowers that for the update to what has room beside everything else, whichever
    plan is chosen. Raises TbftError for budgets that are too small, and as `open_data` does.
    """
    manifest = bundle.manifest
    # The deepest one's graph scores the layers of all.
    deepest = manifest.sparse_plans[0]
    plans = manifest.sparse_plans if options.plan is None else (bundle.plan(options.plan),)
    settings = resolve(dataclasses.replace(options, plan=deepest.id), bundle)
    data = open_data(bundle, settings, open_sources(bundle, settings), cache, progress, stopwatch)
    images = len(data.train) + len(data.validation)
    process = plan_memory(bundle, deepest, settings, images).process
    settings = _within(bundle, deepest, settings, images, options, process)
    budgets = _budgets(bundle, plans, settings, images, options, process)
    base = load_file(bundle.weights)
    adapted = None
    if settings.batch_norm == "adapt":
        with stopwatch.lap("statistics"):
            adapted = adapted_statistics(bundle, settings, data, base, progress)

    labelled = data.train.indices
    indices = labelled[drawn(data.train.labels(labelled), SAMPLES, settings.seed)]
    progress.begin("scoring layers and channels", len(indices))
    began = time.perf_counter()
    weights = {**base, **(adapted or {})}
    fisher = fisher_information(bundle, deepest, settings, weights, data.train, indices, progress.advance)
    gc.collect()  # A loaded graph refers to itself: its memory is free only after a collection.
    chosen = choose(plans, fisher, budgets)
    plan = chosen.plan.with_channels({layer.weight: layer.channels for layer in chosen.layers})
    selection = Selection(
        plan=plan.id,
        update_budget=chosen.budgets.update_bytes,
        update_bytes=chosen.update_bytes,
        compute_budget=chosen.budgets.compute,
        compute=chosen.compute,
        values=sum(math.prod(parameter.shape) for parameter in plan.parameters),
        layers=chosen.layers,
        samples=len(indices),
        seed=settings.seed,
        seconds=time.perf_counter() - began,
    )
    progress.note(told(selection))
    return Selected(dataclasses.replace(options, plan=plan.id), selection, data, adapted, process)


def told(selection: Selection) -> str:
    """A line about it."""
    channels = sum(map(len, selection.channels.values()))
    return (
        f"plan {selection.plan}, by {selection.samples} images in {selection.seconds:.1f} s: {channels} channels of "
        f"{len(selection.channels)} layers will be trained"
    )


def _within(
    bundle: Bundle, plan: Plan, settings: Settings, images: int, options: TrainOptions, process: int
) -> Settings:
    """The settings within the memory budget, if there is one. Scoring holds about as much as training."""
    if options.memory_budget is None:
        return settings
    return fit_memory(
        bundle,
        plan,
        settings,
        images,
        options.memory_budget,
        fixed=False,
        fixed_threads=options.threads is not None,
        fixed_place=True,
        process=process,
    )


def _budgets(
    bundle: Bundle, plans: Sequence[Plan], settings: Settings, images: int, options: TrainOptions, process: int
) -> Budgets:
    """Those of the settings; of a memory budget the update gets what the plan that leaves it least has room for.

    A shallower plan may need more than a deeper one: its prefix is a session of its own. Raises TbftError if one does
    not fit even with nothing but what is always trained.
    """
    assert settings.update_budget is not None
    assert settings.compute_budget is not None
    update = settings.update_budget
    if options.memory_budget is not None:
        for plan in plans:
            own = resolve(dataclasses.replace(options, plan=plan.id), bundle)
            _within(bundle, plan, own, images, options, process)
            fixed_threads = options.threads is not None
            room = update_room(
                bundle, plan, own, images, options.memory_budget, fixed_threads=fixed_threads, process=process
            )
            update = min(update, room)
    return Budgets(update, settings.compute_budget)
