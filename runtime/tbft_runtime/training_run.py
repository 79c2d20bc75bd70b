"""Fine-tune a bundle on local data: `train`."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace
from safetensors.numpy import load_file

from tbft_artifacts.archive import archived_id, is_archive, unpack
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import is_inside
from tbft_artifacts.plan import Plan
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.boundary.activations import cache_result
from tbft_runtime.data.dataset import TrainingData, open_data, open_sources
from tbft_runtime.diagnosis.choice import choose_plan
from tbft_runtime.energy.metering import Metering
from tbft_runtime.exits.choice import check_one_way
from tbft_runtime.meters.registry import choose
from tbft_runtime.profiling.run import profile_run
from tbft_runtime.progress import Outline, Progress, Silent
from tbft_runtime.reporting.build import build_report, write_report
from tbft_runtime.reporting.result import TrainResult, train_result
from tbft_runtime.run.folder import RunFile, RunFolder
from tbft_runtime.run.options import AUTO, TrainOptions
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.run.settings import Settings, another_bundle, resolve, resumed
from tbft_runtime.selection.select import select, selects
from tbft_runtime.timing import Stopwatch
from tbft_runtime.training.accounts import Accounts
from tbft_runtime.training.batch_norm import check_batch
from tbft_runtime.training.fine_tuning import FineTuning
from tbft_runtime.training.memory import fit_memory, plan_memory
from tbft_runtime.training.sparse_rows import NO_CHANNELS
from tbft_runtime.tuning.record import with_tuning


def train(
    bundle: Path, options: TrainOptions, progress: Progress | None = None, board: Board = THIS_BOARD
) -> TrainResult:
    """Fine-tune the bundle (a folder or `.tar.gz`) and keep everything in the folder `options.out`.

    After each epoch the whole state is written atomically; `options.resume` continues from it, and
    ends, with one thread, in the same weights bit for bit as a run that was not interrupted.
    Raises TbftError for bad input and DivergedError when the loss stops being a number; what was
    saved before stays.
    """
    folder = RunFolder(options.out)
    created = folder.create()
    with folder.lock():
        folder.remove_leftovers()
        try:
            return _train(bundle, options, folder, progress or Silent(), board)
        except TbftError:
            if not folder.state_file.exists():
                folder.discard(created)
            raise


def _train(
    bundle_path: Path, options: TrainOptions, folder: RunFolder, progress: Progress, board: Board
) -> TrainResult:
    # Before its first state a run has nothing worth keeping, and may begin anew.
    stored = folder.read_run() if folder.state_file.exists() else None
    if stored is not None and not options.resume:
        raise TbftError(f"'{folder.path}' holds a run already", "continue it with --resume, or choose another --out")
    choice = choose(options.meter, board)
    bundle = _open(bundle_path, folder, resuming=stored is not None)
    started_at = datetime.now(UTC).isoformat(timespec="seconds") if stored is None else stored.started_at
    stopwatch = Stopwatch()
    with Metering(board, choice.meter, on_vitals=progress.vitals) as metering:
        chosen = selected = None
        if stored is None and options.drift == AUTO:
            chosen = choose_plan(bundle, options, folder.cache, progress, stopwatch)
            options = chosen.options
        elif stored is None and selects(bundle, options):
            selected = select(bundle, options, folder.cache, progress, stopwatch)
            options = selected.options
        settings = _settings(bundle, options, folder, stored, progress)
        # What an earlier part of the run chose, it goes on with.
        diagnosis, selection = (stored.diagnosis, stored.selection) if stored else (None, None)
        if chosen:
            diagnosis = chosen.diagnosis
        if selected:
            selection = selected.selection
        plan = _plan(bundle, settings, selection)
        sources = open_sources(bundle, settings)
        progress.started(Outline(run=str(folder.path), plan=plan.id, drift=plan.drift, epochs=settings.epochs))
        state = folder.read_state()
        if state is None or state.epoch < settings.epochs:
            metering.measure_idle(progress.note)
        begun = chosen or selected
        data = begun.data if begun else open_data(bundle, settings, sources, folder.cache, progress, stopwatch)
        _check_data(data, settings, bundle, plan, stored, folder)
        images = len(data.train) + len(data.validation)
        process = selected.process if selected else None
        settings = _within_budget(bundle, plan, settings, images, options, process, resuming=stored is not None)
        memory = plan_memory(bundle, plan, settings, images, process)
        run = RunFile(str(bundle.folder.resolve()), data.fingerprint, started_at, settings, diagnosis, selection)
        folder.write_run(run)
        accounts = Accounts(metering, stopwatch, settings.epochs)
        tuning = FineTuning(
            bundle,
            plan,
            settings,
            data,
            load_file(bundle.weights),
            folder,
            progress,
            accounts,
            channels=selection.channels if selection else NO_CHANNELS,
            adapted=selected.adapted if selected else None,
        )
        if state is None:
            state = tuning.begin()
        else:
            progress.resumed(state.epochs, state.best_epoch)
        stopped = tuning.run_epochs(state) if settings.epochs else "adapted"
        accounts.finish(state)
        tuning.save(state)
    result = train_result(
        plan,
        settings,
        state,
        train_images=len(data.train),
        unlabelled_images=data.unlabelled,
        skipped=data.skipped,
        stopped=stopped,
        cache=cache_result(tuning.boundary, plan, settings, images),
        memory=memory,
        selection=selection,
        no_energy=choice.why or metering.problem or "the meter said nothing while training went on",
        run=str(folder.path),
    )
    report = build_report(bundle.manifest, run, state, result, None)
    write_report(report, folder.report_file)
    if options.profile:
        # Last: it takes memory of its own, and the report is safe by then.
        write_report(replace(report, profile=profile_run(tuning, state)), folder.report_file)
    folder.remove_cache()
    return result


def _settings(
    bundle: Bundle, options: TrainOptions, folder: RunFolder, stored: RunFile | None, progress: Progress
) -> Settings:
    if stored is not None:
        return resumed(stored.settings, options, bundle)
    if options.plan is None and options.drift is None:
        check_one_way(bundle, options.data)
    return with_tuning(resolve(options, bundle), folder.tuning_file, options.threads, progress)


def _plan(bundle: Bundle, settings: Settings, selection: Selection | None) -> Plan:
    """The plan of a run; with chosen channels, and the blocks that they are in, where the device chose some."""
    plan = bundle.plan(settings.plan)
    if selection is None:
        return plan
    plan = plan.with_channels(selection.channels)
    blocks = (
        block.name
        for block in bundle.manifest.blocks
        if any(is_inside(parameter.name, block.name) for parameter in plan.parameters)
    )
    return replace(plan, blocks=tuple(blocks))


def _check_data(
    data: TrainingData, settings: Settings, bundle: Bundle, plan: Plan, stored: RunFile | None, folder: RunFolder
) -> None:
    if stored is not None and stored.data_fingerprint != data.fingerprint:
        raise TbftError(f"the data of the run in '{folder.path}' changed", "start again with another --out")
    if settings.epochs:
        check_batch(bundle.manifest.moving_norms(plan), len(data.train.shuffled(settings.batch_size, (0, 0))[-1]))


def _within_budget(
    bundle: Bundle,
    plan: Plan,
    settings: Settings,
    images: int,
    options: TrainOptions,
    process: int | None,
    *,
    resuming: bool,
) -> Settings:
    if options.memory_budget is None:
        return settings
    return fit_memory(
        bundle,
        plan,
        settings,
        images,
        options.memory_budget,
        # What an earlier part of the run did has to be done alike.
        fixed=resuming,
        fixed_threads=options.threads is not None,
        fixed_place=options.cache_in is not None,
        process=process,
    )


def _open(path: Path, folder: RunFolder, *, resuming: bool) -> Bundle:
    """The bundle; an archive is unpacked into the run's folder, once."""
    if not is_archive(path):
        return open_bundle(path)
    if resuming and folder.bundle.exists():
        unpacked = open_bundle(folder.bundle)
        if unpacked.manifest.bundle_id != archived_id(path):
            raise another_bundle(folder.path, unpacked.manifest.bundle_id)
        return unpacked
    shutil.rmtree(folder.bundle, ignore_errors=True)
    unpack(path, folder.bundle)
    return open_bundle(folder.bundle, shown=path)
