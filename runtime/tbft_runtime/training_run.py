"""Fine-tune a bundle on local data: `train`."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec.structs import replace

from tbft_artifacts.errors import TbftError
from tbft_artifacts.words import printable
from tbft_runtime.beginning.begin import Beginning, begin
from tbft_runtime.beginning.opened import open_for_run
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.boundary.activations import cache_result
from tbft_runtime.energy.metering import Metering
from tbft_runtime.meters.registry import choose
from tbft_runtime.profiling.run import profile_run
from tbft_runtime.progress import Progress, Silent
from tbft_runtime.reporting.build import build_report, write_report
from tbft_runtime.reporting.read import read_report
from tbft_runtime.reporting.result import TrainResult, train_result
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.recovery import earlier_part
from tbft_runtime.run.state import TrainingState
from tbft_runtime.timing import Stopwatch
from tbft_runtime.training.accounts import Accounts
from tbft_runtime.training.fine_tuning import FineTuning
from tbft_runtime.training.sparse_rows import NO_CHANNELS
from tbft_runtime.training.teaching import ByLabels, Teaching
from tbft_runtime.unlabelled.teaching import ByInformation


def train(
    bundle: str | os.PathLike[str],
    options: TrainOptions,
    progress: Progress | None = None,
    board: Board = THIS_BOARD,
) -> TrainResult:
    """Fine-tune the bundle and keep everything in the folder `options.out`.

    After each epoch the whole state is written atomically; `options.resume` continues from it, and
    ends, with one thread, in the same weights bit for bit as a run that was not interrupted.

    Args:
        bundle: A folder or `.tar.gz` that `export` wrote.
        options: Images, plan and settings, and the folder of the run.
        progress: Hears of every epoch, such as a `MetricsFile`; None: nobody does.
        board: Where sensors, clocks and temperatures are read; tests give another.

    Returns:
        Accuracies before and after (0 to 1, of the validation images), times, memory (bytes) and energy (joules).
        The same lies in `report.json` of the run folder.

    Raises:
        TbftError: Bundle, images or settings do not fit, or the disk is full. What was saved before stays.
        DivergedError: The loss stopped being a number. What was saved before stays.

    Example:
        >>> from tbft_runtime import TrainOptions, train
        >>> result = train("bundle", TrainOptions(data="photos", out="run", drift="feature"))
        >>> result.blocks
        ('layer3',)
        >>> result.accuracy_after > result.accuracy_before
        True
    """
    folder = RunFolder(Path(options.out))
    progress = progress or Silent()
    with folder.taken(progress.note):
        return _train(Path(bundle), options, folder, progress, board)


def _train(
    bundle_path: Path, options: TrainOptions, folder: RunFolder, progress: Progress, board: Board
) -> TrainResult:
    earlier = _earlier(folder, progress, resume=options.resume)
    meter = choose(options.meter, board)
    bundle = open_for_run(bundle_path, folder, earlier.run if earlier else None, options.expect_id, progress)
    stopwatch = Stopwatch()
    with Metering(board, meter.meter, on_vitals=progress.vitals) as metering:
        beginning = begin(bundle, options, folder, earlier, progress, metering, stopwatch)
        tuning = _fine_tuning(beginning, folder, progress, Accounts(metering, stopwatch, beginning.settings.epochs))
        state, stopped = tuning.run(beginning.state)
    result = train_result(
        beginning.plan,
        beginning.settings,
        beginning.data,
        len(beginning.bundle.manifest.classes),
        state,
        stopped=stopped,
        cache=cache_result(tuning.boundary, beginning.plan, beginning.settings, beginning.data.images),
        memory=beginning.memory,
        selection=beginning.run.selection,
        no_energy=meter.why or metering.problem or "the meter said nothing while training went on",
        run=printable(folder.path),
    )
    report = build_report(beginning.bundle.manifest, beginning.run, state, result, None)
    # That of a run which was finished before tells what its own processes took, not what this one does.
    if tuning.accounts.has_part or not _has_report(folder):
        write_report(report, folder.report_file)
    if options.profile:
        # Last: it takes memory of its own, and the report is safe by then.
        room = None if options.memory_budget is None else options.memory_budget - beginning.memory.total
        write_report(replace(report, profile=profile_run(tuning, state, room)), folder.report_file)
    folder.remove_cache()
    return result


def _has_report(folder: RunFolder) -> bool:
    try:
        read_report(folder.path)
    except TbftError:
        return False
    return True


def _earlier(folder: RunFolder, progress: Progress, *, resume: bool) -> TrainingState | None:
    """What an earlier part of the run left. Raises TbftError if there is something, and it is not to be resumed."""
    # Before its first state a run has nothing worth keeping, and may begin anew.
    if folder.has_state and not resume:
        raise TbftError(f"'{folder.path}' holds a run already", "continue it with `resume`, or choose another `out`")
    if folder.has_epochs and not folder.has_state:
        raise TbftError(
            f"the states of the run in '{folder.path}' are gone, and with them its epochs",
            f"put '{folder.state_file.name}' back, or choose another `out`",
        )
    return earlier_part(folder, progress.note)


def _fine_tuning(beginning: Beginning, folder: RunFolder, progress: Progress, accounts: Accounts) -> FineTuning:
    selection = beginning.run.selection
    return FineTuning(
        beginning.bundle,
        beginning.plan,
        beginning.settings,
        beginning.data,
        beginning.weights,
        folder,
        progress,
        accounts,
        channels=selection.channels if selection else NO_CHANNELS,
        adapted=beginning.adapted,
        record=beginning.run,
        kept=beginning.kept,
        teaching=_teaching(beginning, progress),
    )


def _teaching(beginning: Beginning, progress: Progress) -> Teaching:
    bundle, train, settings = beginning.bundle, beginning.data.train, beginning.settings
    if settings.labels == "all":
        return ByLabels(train, settings, len(bundle.manifest.classes))
    return ByInformation(bundle, beginning.plan, settings, train, beginning.weights, progress.note)
