"""The epochs of a run: where it begins, how an epoch goes, when it ends."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import DivergedError, TbftError
from tbft_artifacts.manifest import STATISTICS, Plan
from tbft_runtime.progress import Progress
from tbft_runtime.run_folder import RunFolder
from tbft_runtime.sessions import Tensors, load_graph
from tbft_runtime.training.batch_norm import reestimate
from tbft_runtime.training.dataset import TrainingData
from tbft_runtime.training.evaluator import Evaluator
from tbft_runtime.training.options import Settings
from tbft_runtime.training.state import Epoch, TrainingState
from tbft_runtime.training.step import TrainStep, initial_state


@dataclass(frozen=True)
class FineTuning:
    """What is trained, on which images, from which weights, and who keeps and watches it."""

    bundle: Bundle
    plan: Plan
    settings: Settings
    data: TrainingData
    base: Tensors
    folder: RunFolder
    progress: Progress

    def begin(self) -> TrainingState:
        """The state before the first epoch: base weights, evaluated, and adapted if the policy says so."""
        state = initial_state(self.bundle, self.plan, self.settings, self.base)
        # Which graphs evaluate does not matter here, so the ones that need no prefix do.
        evaluator = Evaluator(self.bundle, self.plan, self.settings.threads, None)
        self.progress.begin("evaluating the base model", len(self.data.validation))
        state.before = evaluation = evaluator.evaluate(self.base, self.data.validation, self.progress.advance)
        if self.settings.batch_norm == "adapt":
            self._adapt(state)
            state.adapted = evaluation = evaluator.evaluate(self._weights(state), self.data.validation)
        state.keep_best(0, evaluation.loss if evaluation else np.inf)
        return state

    def run_epochs(self, state: TrainingState) -> str:
        """Train until the last epoch or until patience ends; returns why it stopped.

        The state is saved after each epoch. Raises DivergedError when a loss stops being a number.
        """
        threads = self.settings.threads
        fixed = self._weights(state)
        prefix = load_graph(self.bundle.path(self.plan.prefix), fixed, threads) if self.plan.has_prefix else None
        step = TrainStep(self.bundle, self.plan, self.settings, fixed, prefix)
        evaluator = Evaluator(self.bundle, self.plan, threads, None if self.plan.batch_norm == "batch" else prefix)
        while state.epoch < self.settings.epochs:
            if state.epoch - state.best_epoch >= self.settings.patience:
                return "patience"
            number = state.epoch + 1
            epoch = self._one_epoch(number, step, evaluator, state)
            state.epochs.append(epoch)
            state.epoch = number
            best = epoch.validation.loss < state.best_loss
            if best:
                state.keep_best(number, epoch.validation.loss)
            self.folder.write_state(state)
            self.progress.epoch(epoch, self.settings.epochs, best)
        return "epochs"

    def _one_epoch(self, number: int, step: TrainStep, evaluator: Evaluator, state: TrainingState) -> Epoch:
        train, settings = self.data.train, self.settings
        self.progress.begin(f"epoch {number} of {settings.epochs}", len(train))
        started = time.perf_counter()
        step_ms = []
        loss = 0.0
        correct = 0
        for indices in train.shuffled(settings.batch_size, (settings.seed, number)):
            images, labels = train.images(indices), train.labels(indices)
            before = time.perf_counter()
            result = step.run(state, images, labels)
            step_ms.append((time.perf_counter() - before) * 1000)
            if not np.isfinite(result.loss):
                raise self._diverged(f"the loss became {result.loss} in epoch {number}", number)
            loss += result.loss * len(indices)
            correct += result.correct
            self.progress.advance(len(indices))
        validation = evaluator.evaluate(self._weights(state), self.data.validation)
        if validation is None or not np.isfinite(validation.loss):
            raise self._diverged(f"the validation loss is no number after epoch {number}", number)
        return Epoch(
            number=number,
            train_loss=loss / len(train),
            train_accuracy=correct / len(train),
            validation=validation,
            seconds=time.perf_counter() - started,
            step_ms=step_ms,
        )

    def _adapt(self, state: TrainingState) -> None:
        norms = self.bundle.manifest.batch_norms
        if not norms:
            raise TbftError("the model has no batch norm to re-estimate", "train without --bn adapt")
        graph = load_graph(self.bundle.path(STATISTICS), self.base, self.settings.threads)
        everything = self.data.everything
        self.progress.begin("re-estimating batch-norm statistics", len(everything))

        def read(indices: np.ndarray) -> np.ndarray:
            self.progress.advance(len(indices))
            return everything.images(indices)

        batches = everything.shuffled(self.settings.batch_size, (self.settings.seed, 0))
        state.current |= reestimate(graph, norms, batches, read)

    def _weights(self, state: TrainingState) -> Tensors:
        """Every weight as it is now."""
        return {**self.base, **state.current}

    def _diverged(self, what: str, number: int) -> DivergedError:
        return DivergedError(
            f"{what}; '{self.folder.path}' keeps the state after epoch {number - 1}",
            f"train again with a lower --lr than {self.settings.lr:g}",
        )
