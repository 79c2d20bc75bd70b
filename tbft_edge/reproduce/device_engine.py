"""The device engine: what a user runs, `tbft-edge train` and `tbft-edge eval`, with the stock wheel's Python."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import DivergedError
from tbft_edge.process import answer, run_json
from tbft_edge.reproduce.bundles import Bundles, plan_for
from tbft_edge.reproduce.engine import Job
from tbft_edge.reproduce.protocol import Protocol
from tbft_edge.reproduce.trial import Outcome

if TYPE_CHECKING:
    from tbft_runtime.reporting.report import Report


class _Evaluation(msgspec.Struct):
    """The part of `eval --json` that counts here."""

    accuracy: float
    images: int
    accuracy_per_class: Mapping[str, float]


@dataclass(frozen=True)
class _Tested:
    """Fractions of the test images that are right: of all, and of those of the classes in `Job.seen`, if any are."""

    accuracy: float
    images: int
    seen_accuracy: float | msgspec.UnsetType


@dataclass(frozen=True)
class DeviceEngine:
    """Runs on `python`, an environment with the stock onnxruntime wheel and no torch."""

    python: Path
    bundles: Bundles
    threads: int
    meter: str

    def run(self, job: Job, folder: Path) -> Outcome:
        """Train as `job.trial` says, and test what is kept. Raises TbftError with the command's own message."""
        bundle = self.bundles.bundle(job.network, job.trial.recipe, job.protocol)
        if job.trial.recipe == "none":
            return _untrained(self._test(bundle.folder, job, bundle), None)
        run = folder / "run"
        try:
            self._edge("train", bundle.folder, *self._options(job, bundle), "--out", run)
        except DivergedError:
            # Every epoch is saved, so the best state before it is there.
            return self._diverged(run, job, bundle)
        return _outcome(_read_report(run), self._test(run, job, bundle))

    def _options(self, job: Job, bundle: Bundle) -> list[str | Path]:
        trial = job.trial
        # Statistics alone are the same whatever the plan trains afterwards.
        plan = bundle.manifest.plans[-1] if trial.block is None else plan_for(bundle, trial.block)
        options: list[str | Path] = ["--data", job.data.train]
        if job.data.validation is not None:
            options += ["--val", job.data.validation]
        options += ["--plan", plan.id, "--seed", str(trial.repeat), "--meter", self.meter]
        if trial.recipe == "statistics":
            return [*options, "--bn", "adapt", "--epochs", "0"]
        if trial.recipe == "unlabelled":
            return [*options, "--labels", "none"]
        if trial.recipe == "adapt":
            options += ["--bn", "adapt"]
        return options if job.protocol is None else [*options, *_spelled(job.protocol)]

    def _test(self, model: Path, job: Job, bundle: Bundle) -> _Tested:
        found = answer(self._edge("eval", model, "--data", job.data.test), _Evaluation)
        seen = _seen_accuracy(found, job, bundle.manifest.classes) if job.seen else msgspec.UNSET
        return _Tested(found.accuracy, found.images, seen)

    def _edge(self, command: str, *arguments: str | Path) -> bytes:
        return run_json(
            [self.python, "-P", "-m", "tbft_edge", command, *arguments, "--threads", str(self.threads), "--json"]
        )

    def _diverged(self, run: Path, job: Job, bundle: Bundle) -> Outcome:
        from tbft_runtime.run.folder import RunFolder

        state = RunFolder(run).read_state()
        tested = self._test(run, job, bundle)
        return Outcome(
            accuracy=tested.accuracy,
            test_images=tested.images,
            validation_accuracy=None,
            epochs=0 if state is None else state.epoch,
            best_epoch=0 if state is None else state.best_epoch,
            seconds=0.0 if state is None else sum(epoch.seconds for epoch in state.epochs),
            epoch_seconds=None,
            step_ms=None,
            joules=None,
            diverged=True,
            seen_accuracy=tested.seen_accuracy,
        )


def _spelled(protocol: Protocol) -> list[str]:
    options = {
        "--lr": protocol.lr,
        "--momentum": protocol.momentum,
        "--weight-decay": protocol.weight_decay,
        "--batch-size": protocol.batch_size,
        "--epochs": protocol.epochs,
        "--patience": protocol.patience,
    }
    words = [word for name, value in options.items() for word in (name, str(value))]
    # The paper trains the layer that is there, however few the images.
    words += ["--starting-head", "kept"]
    return [*words, "--bn", "adapt"] if protocol.batch_norm == "adapt" else words


def _read_report(run: Path) -> Report:
    from tbft_runtime.reporting.read import read_report

    return read_report(run)


def _seen_accuracy(found: _Evaluation, job: Job, classes: Sequence[str]) -> float:
    """Of the images of the classes `job.seen`: the mean of their accuracies, by how many images each has."""
    with np.load(job.data.test, allow_pickle=False) as arrays:
        counts = np.bincount(arrays["labels"], minlength=len(classes))
    right = sum(found.accuracy_per_class[classes[label]] * counts[label] for label in job.seen)
    return float(right / sum(counts[label] for label in job.seen))


def _outcome(report: Report, tested: _Tested) -> Outcome:
    result = report.result
    step = result.latency.get("step")
    if not result.epochs:
        return _untrained(tested, result.accuracy_after)
    return Outcome(
        accuracy=tested.accuracy,
        test_images=tested.images,
        validation_accuracy=result.accuracy_after,
        epochs=result.epochs,
        best_epoch=result.best_epoch,
        seconds=result.train_seconds,
        epoch_seconds=statistics.median(epoch.seconds for epoch in report.epochs),
        step_ms=None if step is None else step.p50_ms,
        joules=result.energy.joules,
        seen_accuracy=tested.seen_accuracy,
    )


def _untrained(tested: _Tested, validation: float | None) -> Outcome:
    return Outcome(
        accuracy=tested.accuracy,
        test_images=tested.images,
        validation_accuracy=validation,
        epochs=0,
        best_epoch=0,
        seconds=0.0,
        epoch_seconds=None,
        step_ms=None,
        joules=None,
        seen_accuracy=tested.seen_accuracy,
    )
