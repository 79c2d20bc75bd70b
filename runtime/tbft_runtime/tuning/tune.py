"""Find the fastest way to run a plan on this machine, and remember it in a run folder: `tune`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.archive import opened
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Drift
from tbft_runtime.board.access import THIS_BOARD
from tbft_runtime.energy.metering import Metering
from tbft_runtime.graphs.sessions import default_threads
from tbft_runtime.progress import Progress, Silent
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.training.sparse_rows import measurable
from tbft_runtime.tuning.race import Race
from tbft_runtime.tuning.record import Tuning, TuningCandidate, this_machine, write_tuning
from tbft_runtime.tuning.search import Space, search

# Weights stay as they are, so that no step fails, and each computes the same.
_LR = 0.0


@dataclass(frozen=True)
class TuneOptions:
    """What is measured; None takes what the bundle's plan says."""

    out: str | Path
    """Folder of the run to come; the choice is remembered in it."""
    plan: str | None = None
    """The id of the plan, where the bundle has several."""
    drift: Drift | None = None
    """The same by what drifted: the plan that this drift calls for."""
    batch_size: int | None = None
    """Images per step."""
    threads: int | None = None
    """How many compute; None: their number is measured, too."""
    expect_id: str | None = None
    """The id that the bundle must have, all 64 digits; None: whichever it has."""


def tune(bundle: str | os.PathLike[str], options: TuneOptions, progress: Progress | None = None) -> Tuning:
    """Measure ways to run a plan of the bundle on random images.

    The choice is written to `tuning.json` in the folder `options.out`, where `train` finds it.

    Args:
        bundle: A folder or `.tar.gz` that `export` wrote.
        options: The plan, and the folder of the run to come.
        progress: Hears of every comparison; None: nobody does.

    Returns:
        What was chosen, every comparison with its times (ms), and on which machine that holds.

    Raises:
        TbftError: Bundle or settings do not fit, or the folder holds a run already, whose settings are fixed.

    Example:
        >>> from tbft_runtime import TuneOptions, tune
        >>> tuning = tune("bundle", TuneOptions(out="run", drift="feature", threads=1))
        >>> tuning.plan, tuning.chosen.threads
        ('feature-block-sgd', 1)
    """
    folder = RunFolder(Path(options.out))
    progress = progress or Silent()
    with folder.taken(progress.note):
        if folder.has_state:
            raise TbftError(
                f"'{folder.path}' holds a run already, which goes on as it began", "tune in another `out`, before train"
            )
        tuning = _measure(Path(bundle), options, progress)
        write_tuning(tuning, folder.tuning_file)
    return tuning


def _measure(path: Path, options: TuneOptions, progress: Progress) -> Tuning:
    with opened(path, options.expect_id) as bundle:
        plan, channels = measurable(bundle.plan(options.plan, options.drift))
        asked = TrainOptions(
            data=Path(), out=options.out, batch_size=options.batch_size, threads=options.threads, lr=_LR
        )
        settings = resolve(asked, plan, bundle)
        machine = this_machine()
        default = TuningCandidate(settings.threads, settings.execution)
        space = Space(plan, settings.batch_size, default_threads() if options.threads is None else None)
        race = Race(bundle, plan, settings, progress, channels)
        with Metering(THIS_BOARD, None) as metering:
            chosen, comparisons, finished = search(default, space, race.compare)
            board = metering.summary().board
    return Tuning(
        bundle_id=settings.bundle_id,
        plan=plan.id,
        batch_norm=plan.batch_norm,
        batch_size=settings.batch_size,
        divided=plan.divides,
        machine=machine,
        board=board,
        default=default,
        chosen=chosen,
        comparisons=tuple(comparisons),
        seconds=race.elapsed(),
        finished=finished,
        statistics_part=plan.statistics_part,
    )
