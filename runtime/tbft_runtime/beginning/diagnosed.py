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
from tbft_runtime.run.diagnosis_record import Diagnosis, Way
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.timing import Stopwatch

# Another way than the one that was asked for.
_INSTEAD: dict[Way, str] = {
    "nothing": "to leave the model as it is",
    "unlabelled": "to train with `labels` none",
    "learn": "a head in closed form, by 'learn'",
    "train": "to train on labels",
}


def diagnosed(bundle: Bundle, options: TrainOptions, cache: Path, progress: Progress, stopwatch: Stopwatch) -> Decided:
    """Prepare the run's images in the folder `cache`, and decide by some that are trained on, not validated on.

    Notes say why, and what would be right if it is not what was asked. Raises TbftError for what cannot be decided, for
    drift that takes labels where none is to be looked at, and as `open_data` does.
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
    if options.labels == "none":
        _check_without_labels(diagnosis, options)
    progress.note(
        f"{diagnosis.drift} drift, by {diagnosis.samples} {bundle.manifest.noun}s in {diagnosis.seconds:.1f} s: "
        f"{', '.join(diagnosis.blocks)} will be trained"
    )
    for reason in diagnosis.reasons:
        progress.note(f"  {reason}")
    advice, taken = diagnosis.advice, "unlabelled" if options.labels == "none" else "train"
    if advice is not None and advice.way != taken:
        progress.note(f"  advised is {_INSTEAD[advice.way]}: {'; '.join(advice.reasons)}")
    gc.collect()  # A loaded graph refers to itself: its memory is free only after a collection.
    process = resident_memory() - sum(value.nbytes for value in weights.values())
    return Decided(bundle.plan(diagnosis.plan), diagnosis=diagnosis, data=data, weights=weights, process=process)


def _check_without_labels(diagnosis: Diagnosis, options: TrainOptions) -> None:
    """Raises TbftError unless statistics say that the input drifted, or labels check what comes of other drift."""
    seen = "; ".join(diagnosis.reasons)
    if diagnosis.advice is not None and diagnosis.advice.way == "nothing":
        raise TbftError(
            f"without labels nothing seems to have drifted: {seen}",
            "label some images, and leave out `labels` none; or name the drift: `drift` input",
        )
    if diagnosis.drift != "input" and options.check_labels is None:
        raise TbftError(
            f"not the input drifted, but {', '.join(diagnosis.blocks)}, which takes labels: {seen}",
            "train with labels, or let some decide: `check_labels` 50; or name the drift: `drift` input",
        )
