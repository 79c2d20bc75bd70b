"""The layers and channels of a run that begins, from its own training images."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.names import is_inside
from tbft_artifacts.plan import Plan
from tbft_artifacts.preprocessing import Noun
from tbft_runtime.beginning.budget import selection_budgets, within_budget
from tbft_runtime.beginning.decided import Decided
from tbft_runtime.data.dataset import open_data, open_sources
from tbft_runtime.data.draw import drawn
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.progress import Progress
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.selection.choose import choose
from tbft_runtime.selection.fisher import fisher_information
from tbft_runtime.timing import Stopwatch
from tbft_runtime.training.adaptation import adapted_statistics
from tbft_runtime.training.memory import plan_memory

# More images say hardly more.
SAMPLES = 128


def selected(
    bundle: Bundle,
    plans: Sequence[Plan],
    options: TrainOptions,
    cache: Path,
    progress: Progress,
    stopwatch: Stopwatch,
) -> Decided:
    """Prepare the run's images in the folder `cache`, and choose by some that are trained on, not validated on.

    One of the sparse `plans` is chosen, which are ordered as in the manifest. With re-estimated batch-norm statistics
    channels are scored with those. A memory budget lowers that for the update to what has room beside everything else,
    whichever plan is chosen. Raises TbftError for budgets that are too small, and as `open_data` does.
    """
    # Its graph scores the layers of all.
    deepest = bundle.manifest.sparse_plans[0]
    settings = resolve(options, deepest, bundle)
    data = open_data(
        deepest, settings, open_sources(bundle, settings, options.memory_budget), cache, progress, stopwatch
    )
    # What scoring takes is there for training again.
    process = plan_memory(bundle, deepest, settings, data.images).process
    # Scoring holds about as much as training.
    settings = within_budget(bundle, deepest, settings, data.images, options, process)
    budgets = selection_budgets(bundle, plans, settings, data.images, options, process)
    base = load_weights(bundle)
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
    (values,) = chosen.plan.with_channels({layer.weight: layer.channels for layer in chosen.layers}).flat.shape
    selection = Selection(
        plan=chosen.plan.id,
        update_budget=chosen.budgets.update_bytes,
        update_bytes=chosen.update_bytes,
        compute_budget=chosen.budgets.compute,
        compute=chosen.compute,
        values=values,
        layers=chosen.layers,
        samples=len(indices),
        seed=settings.seed,
        seconds=time.perf_counter() - began,
    )
    progress.note(_told(selection, bundle.manifest.noun))
    plan = with_selection(bundle.manifest, chosen.plan, selection)
    return Decided(plan, selection=selection, data=data, weights=base, adapted=adapted, process=process)


def with_selection(manifest: Manifest, plan: Plan, selection: Selection) -> Plan:
    """The plan with the channels that were chosen, and the blocks that these are in."""
    plan = plan.with_channels(selection.channels)
    blocks = (
        block.name
        for block in manifest.blocks
        if any(is_inside(parameter.name, block.name) for parameter in plan.parameters)
    )
    return replace(plan, blocks=tuple(blocks))


def _told(selection: Selection, noun: Noun) -> str:
    """A line about it."""
    channels = sum(map(len, selection.channels.values()))
    return (
        f"plan {selection.plan}, by {selection.samples} {noun}s in {selection.seconds:.1f} s: {channels} channels of "
        f"{len(selection.channels)} layers will be trained"
    )
