"""`train --drift auto`: the plan of a run that begins, from its own training images."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime.data.dataset import TrainingData, open_data, open_sources
from tbft_runtime.diagnosis.diagnose import DEFAULT_SAMPLES, deciding_plans, diagnose_part
from tbft_runtime.progress import Progress
from tbft_runtime.run.diagnosis_record import Diagnosis
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.settings import resolve
from tbft_runtime.timing import Stopwatch


@dataclass(frozen=True)
class Choice:
    """The run's options with a plan in them, why it is that one, and the images, which are prepared by now."""

    options: TrainOptions
    diagnosis: Diagnosis
    data: TrainingData


def choose_plan(bundle: Bundle, options: TrainOptions, cache: Path, progress: Progress, stopwatch: Stopwatch) -> Choice:
    """Prepare the run's images in the folder `cache`, and decide by some that are trained on, not validated on.

    Notes say why. Raises TbftError for what cannot be decided, and as `open_data` does.
    """
    if options.plan is not None:
        raise TbftError(f"both --plan {options.plan} and --drift auto were given", "leave one of them out")
    if options.epochs == 0:
        raise TbftError("with --epochs 0 nothing is trained, and so nothing to decide", "leave out --drift auto")
    plans = deciding_plans(bundle)
    # Of these settings only those matter that are the same for every plan.
    told = dataclasses.replace(options, drift=None, plan=plans[0].id, batch_norm=None)
    settings = resolve(told, bundle)
    data = open_data(bundle, settings, open_sources(bundle, settings), cache, progress, stopwatch)
    diagnosis = diagnose_part(bundle, data.train, settings, DEFAULT_SAMPLES, progress)
    progress.note(
        f"{diagnosis.drift} drift, by {diagnosis.samples} images in {diagnosis.seconds:.1f} s: "
        f"{', '.join(diagnosis.blocks)} will be trained"
    )
    for reason in diagnosis.reasons:
        progress.note(f"  {reason}")
    return Choice(dataclasses.replace(options, drift=None, plan=diagnosis.plan), diagnosis, data)
