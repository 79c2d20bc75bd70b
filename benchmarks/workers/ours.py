"""The runtime of this project on the stock ONNX Runtime. Device environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from benchmarks import inputs
from benchmarks.protocol import Load, Train, Work
from benchmarks.workers.serve import Laps, serve
from tbft_artifacts.bundle import open_bundle
from tbft_runtime import Silent, TrainOptions, train
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.reporting.versions import runtime_versions
from tbft_runtime.run.epoch import Epoch
from tbft_runtime.run.resolve import resolve
from tbft_runtime.training.step import TrainStep, initial_state


class Ours:
    """A `benchmarks.workers.serve.Trainer`."""

    def load(self, job: Load) -> Mapping[Work, Callable[[], float]]:
        bundle = open_bundle(Path(job.subject.bundle))
        plan = bundle.plan()
        options = TrainOptions(
            Path(), Path(), lr=inputs.LR, momentum=inputs.MOMENTUM, batch_size=job.batch_size, threads=job.threads
        )
        settings = resolve(options, plan, bundle)
        base = load_file(bundle.weights)
        prefix = load_prefix(bundle, plan, settings, base)
        step = TrainStep(bundle, plan, settings, base, prefix)
        state = initial_state(bundle, plan, settings, base)
        images, labels = inputs.batch(job.batch_size, job.subject.image_size, job.subject.classes)
        first = slice(job.check_size)
        works: dict[Work, Callable[[], float]] = {
            "step": lambda: step.run(state, images, labels).loss,
            "check": lambda: step.run(state, images[first], labels[first]).loss,
        }
        if plan.has_prefix and plan.prefix_is_fixed:
            boundary = {name: np.array(value) for name, value in step.to_boundary(images).items()}
            works["cached"] = lambda: step.run_from_boundary(state, boundary, labels).loss
        return works

    def train(self, job: Train, laps: Laps) -> float:
        options = TrainOptions(
            Path(job.images),
            Path(job.out),
            validation=Path(job.validation),
            epochs=job.epochs,
            patience=job.epochs,
            lr=inputs.LR,
            momentum=inputs.MOMENTUM,
            batch_size=job.batch_size,
            threads=job.threads,
        )
        result = train(Path(job.subject.bundle), options, _PauseBetweenEpochs(laps))
        assert result.epochs == job.epochs
        assert result.loss_before is not None
        return result.loss_before


class _PauseBetweenEpochs(Silent):
    """Pauses once both sets of images are prepared, so that all that follows is counted, and after each epoch."""

    def __init__(self, laps: Laps) -> None:
        self.laps = laps
        self.sets = 2
        self.images = 0

    def begin(self, what: str, total: int) -> None:
        if what.startswith("preparing"):
            self.images = total

    def advance(self, images: int) -> None:
        if self.sets:
            self.images -= images
            if self.images == 0:
                self.sets -= 1
                if self.sets == 0:
                    self.laps.pause()

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None:  # noqa: ARG002
        assert self.sets == 0
        self.laps.pause()


if __name__ == "__main__":
    # Loaded before the size of the imports is looked at.
    assert train is not None
    serve(Ours(), runtime_versions())
