"""Fine-tune a bundle on local data: `train`."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import msgspec
import numpy as np
from safetensors.numpy import load_file

from tbft_artifacts.archive import is_archive, opened, unpack
from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import DivergedError, TbftError
from tbft_artifacts.manifest import STATISTICS, Plan
from tbft_runtime.progress import Progress, Silent
from tbft_runtime.result import TrainResult, train_result
from tbft_runtime.run_folder import RunFile, RunFolder
from tbft_runtime.sessions import Graph, Tensors, load_graph
from tbft_runtime.training.batch_norm import check_batch, reestimate
from tbft_runtime.training.dataset import TrainingData, open_data
from tbft_runtime.training.evaluator import Evaluator
from tbft_runtime.training.options import Settings, TrainOptions, another_bundle, resolve, resumed
from tbft_runtime.training.state import Epoch, TrainingState
from tbft_runtime.training.step import TrainStep, initial_state


def train(bundle: Path, options: TrainOptions, progress: Progress | None = None) -> TrainResult:
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
            return _train(bundle, options, folder, progress or Silent())
        except TbftError:
            if not folder.state_file.exists():
                folder.discard(created)
            raise


def _train(bundle_path: Path, options: TrainOptions, folder: RunFolder, progress: Progress) -> TrainResult:
    # Before its first state a run has nothing worth keeping, and may begin anew.
    stored = folder.read_run() if folder.state_file.exists() else None
    if stored is not None and not options.resume:
        raise TbftError(f"'{folder.path}' holds a run already", "continue it with --resume, or choose another --out")
    bundle = _open(bundle_path, folder, resuming=stored is not None)
    settings = resolve(options, bundle) if stored is None else resumed(stored.settings, options, bundle)
    plan = bundle.plan(settings.plan)
    data = open_data(bundle, settings, folder.cache, progress)
    if stored is not None and stored.data_fingerprint != data.fingerprint:
        raise TbftError(f"the data of the run in '{folder.path}' changed", "start again with another --out")
    if settings.epochs and plan.batch_norm == "batch":
        check_batch(bundle.manifest.batch_norms, len(data.train.shuffled(settings.batch_size, (0, 0))[-1]))
    folder.write_run(RunFile(str(bundle.folder.resolve()), data.fingerprint, settings))
    base = load_file(bundle.weights)
    state = folder.read_state()
    if state is None:
        state = _begin(bundle, plan, settings, data, base, progress)
        folder.write_state(state)
    stopped = _run_epochs(bundle, plan, settings, data, base, state, folder, progress) if settings.epochs else "adapted"
    result = train_result(
        plan,
        settings,
        state,
        train_images=len(data.train),
        unlabelled_images=data.unlabelled,
        skipped=data.skipped,
        stopped=stopped,
        run=str(folder.path),
    )
    with atomic_file(folder.result_file) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    folder.remove_cache()
    return result


def _open(path: Path, folder: RunFolder, *, resuming: bool) -> Bundle:
    """The bundle; an archive is unpacked into the run's folder, once."""
    if not is_archive(path):
        return open_bundle(path)
    if resuming and folder.bundle.exists():
        with opened(path) as other:
            wanted = other.manifest.bundle_id
        unpacked = open_bundle(folder.bundle)
        if unpacked.manifest.bundle_id != wanted:
            raise another_bundle(folder.path, unpacked.manifest.bundle_id)
        return unpacked
    shutil.rmtree(folder.bundle, ignore_errors=True)
    unpack(path, folder.bundle)
    return open_bundle(folder.bundle, shown=path)


def _begin(
    bundle: Bundle, plan: Plan, settings: Settings, data: TrainingData, base: Tensors, progress: Progress
) -> TrainingState:
    """The state before the first epoch: base weights, evaluated, and adapted if the policy says so."""
    state = initial_state(bundle, plan, settings, base)
    # Which graphs evaluate does not matter here, so the ones that need no prefix do.
    evaluator = Evaluator(bundle, plan, settings.threads, None)
    progress.begin("evaluating the base model", len(data.validation))
    state.before = evaluation = evaluator.evaluate(base, data.validation, progress.advance)
    if settings.batch_norm == "adapt":
        _adapt(bundle, settings, data, base, state, progress)
        state.adapted = evaluation = evaluator.evaluate({**base, **state.current}, data.validation)
    state.keep_best(0, evaluation.loss if evaluation else np.inf)
    return state


def _adapt(
    bundle: Bundle, settings: Settings, data: TrainingData, base: Tensors, state: TrainingState, progress: Progress
) -> None:
    norms = bundle.manifest.batch_norms
    if not norms:
        raise TbftError("the model has no batch norm to re-estimate", "train without --bn adapt")
    graph = load_graph(bundle.path(STATISTICS), base, settings.threads)
    progress.begin("re-estimating batch-norm statistics", len(data.everything))

    def read(indices: np.ndarray) -> np.ndarray:
        progress.advance(len(indices))
        return data.everything.images(indices)

    batches = data.everything.shuffled(settings.batch_size, (settings.seed, 0))
    state.current |= reestimate(graph, norms, batches, read)


def _run_epochs(
    bundle: Bundle,
    plan: Plan,
    settings: Settings,
    data: TrainingData,
    base: Tensors,
    state: TrainingState,
    folder: RunFolder,
    progress: Progress,
) -> str:
    """Train until the last epoch or until patience ends; returns why it stopped."""
    fixed = {**base, **state.current}
    prefix: Graph | None = None
    if plan.has_prefix:
        prefix = load_graph(bundle.path(plan.prefix), fixed, settings.threads)
    step = TrainStep(bundle, plan, settings, fixed, prefix)
    evaluator = Evaluator(bundle, plan, settings.threads, prefix if plan.batch_norm != "batch" else None)
    while state.epoch < settings.epochs:
        if state.epoch - state.best_epoch >= settings.patience:
            return "patience"
        number = state.epoch + 1
        epoch = _one_epoch(number, step, evaluator, settings, data, base, state, folder, progress)
        state.epochs.append(epoch)
        state.epoch = number
        best = epoch.validation.loss < state.best_loss
        if best:
            state.keep_best(number, epoch.validation.loss)
        folder.write_state(state)
        progress.epoch(epoch, settings.epochs, best)
    return "epochs"


def _one_epoch(
    number: int,
    step: TrainStep,
    evaluator: Evaluator,
    settings: Settings,
    data: TrainingData,
    base: Tensors,
    state: TrainingState,
    folder: RunFolder,
    progress: Progress,
) -> Epoch:
    progress.begin(f"epoch {number} of {settings.epochs}", len(data.train))
    started = time.perf_counter()
    step_ms = []
    loss = 0.0
    correct = 0
    for indices in data.train.shuffled(settings.batch_size, (settings.seed, number)):
        images, labels = data.train.images(indices), data.train.labels(indices)
        before = time.perf_counter()
        result = step.run(state, images, labels)
        step_ms.append((time.perf_counter() - before) * 1000)
        if not np.isfinite(result.loss):
            raise DivergedError(
                f"the loss became {result.loss} in epoch {number}; '{folder.path}' keeps the state after epoch "
                f"{number - 1}",
                f"train again with a lower --lr than {settings.lr:g}",
            )
        loss += result.loss * len(indices)
        correct += result.correct
        progress.advance(len(indices))
    validation = evaluator.evaluate({**base, **state.current}, data.validation)
    if validation is None or not np.isfinite(validation.loss):
        raise DivergedError(
            f"the validation loss is no number after epoch {number}; '{folder.path}' keeps the state before it",
            f"train again with a lower --lr than {settings.lr:g}",
        )
    return Epoch(
        number=number,
        train_loss=loss / len(data.train),
        train_accuracy=correct / len(data.train),
        validation=validation,
        seconds=time.perf_counter() - started,
        step_ms=step_ms,
    )
