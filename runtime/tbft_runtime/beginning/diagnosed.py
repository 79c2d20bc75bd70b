"""`drift` "auto": the plan of a run that begins, from its own training images."""

from __future__ import annotations

import dataclasses
import gc
from pathlib import Path

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime.beginning.decided import Decided
from tbft_runtime.board.machine import resident_memory
from tbft_runtime.data.dataset import open_data, open_sources
from tbft_runtime.diagnosis.diagnose import DEFAULT_SAMPLES, deciding_plans, diagnose_part
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.progress import Progress
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.timing import Stopwatch


def diagnosed(bundle: Bundle, options: TrainOptions, cache: Path, progress: Progress, stopwatch: Stopwatch) -> Decided:
    """Prepare the run's images in the folder `cache`, and decide by some that are trained on, not validated on.

    Notes say why. Raises TbftError for what cannot be decided, and as `open_data` does.
    """
    if options.plan is not None:
        raise TbftError(f"both `plan` {options.plan} and `drift` auto were given", "leave one of them out")
    if options.epochs == 0:
        raise TbftError("with `epochs` 0 nothing is trained, and so nothing to decide", "leave out `drift` auto")
    any_plan = deciding_plans(bundle)[0]
    # Of these settings only those matter that are the same for every plan.
    settings = resolve(dataclasses.replace(options, batch_norm=None), any_plan, bundle)
    sources = open_sources(bundle, settings, options.memory_budget)
    data = open_data(any_plan, settings, sources, cache, progress, stopwatch)
    weights = load_weights(bundle)
    diagnosis = diagnose_part(bundle, data.train, settings, DEFAULT_SAMPLES, weights, progress, options.memory_budget)
    progress.note(
        f"{diagnosis.drift} drift, by {diagnosis.samples} {bundle.manifest.noun}s in {diagnosis.seconds:.1f} s: "
        f"{', '.join(diagnosis.blocks)} will be trained"
    )
    for reason in diagnosis.reasons:
        progress.note(f"  {reason}")
    gc.collect()  # A loaded graph refers to itself: its memory is free only after a collection.
    process = resident_memory() - sum(value.nbytes for value in weights.values())
    return Decided(bundle.plan(diagnosis.plan), diagnosis=diagnosis, data=data, weights=weights, process=process)
