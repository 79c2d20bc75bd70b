"""The epochs of a run: where it begins, how an epoch goes, when it ends."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import numpy as np

from tbft_artifacts.atomic import is_full_disk
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import DivergedError, TbftError
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.activations import BoundaryActivations, open_boundary, why_not_fixed
from tbft_runtime.boundary.prefix import Prefix, load_prefix
from tbft_runtime.data.dataset import Part, TrainingData
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.laps import Laps
from tbft_runtime.progress import Progress
from tbft_runtime.run.epoch import Epoch
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import Arrays, TrainingState
from tbft_runtime.tally import Tally
from tbft_runtime.timing import Phase
from tbft_runtime.training.accounts import Accounts
from tbft_runtime.training.adaptation import adapted_statistics
from tbft_runtime.training.evaluator import Evaluator
from tbft_runtime.training.sparse_rows import Channels, merged
from tbft_runtime.training.step import TrainStep, initial_state
from tbft_runtime.training.teaching import Answers, Teaching


@dataclass
class FineTuning:
    """What is trained, on which images, from which weights, and who keeps and watches it.

    `channels` are those that a sparse plan trains. `adapted` are re-estimated batch-norm statistics, if that was done
    already. `teaching` says what images are to be answered with. `boundary` is there once the weights of the frozen
    prefix are known, if there is one whose activations depend on the image alone.
    """

    bundle: Bundle
    plan: Plan
    settings: Settings
    data: TrainingData
    base: Tensors
    folder: RunFolder
    progress: Progress
    accounts: Accounts
    channels: Channels
    adapted: Arrays | None
    record: RunFile
    teaching: Teaching
    boundary: BoundaryActivations | None = field(default=None, init=False)

    def run(self, state: TrainingState | None) -> tuple[TrainingState, str]:
        """Train from the beginning, or on from `state`, until the end; the state then, and why that was the end.

        The state is saved before the first epoch and after each. Raises DivergedError when a loss stops being a
        number.
        """
        if state is None:
            state = self._begin()
        else:
            state.run = self.record
            self.progress.resumed(state.epochs, state.best_epoch)
        stopped = "adapted"
        if self.settings.epochs:
            stopped = self._run_epochs(state) if self.teaching.goes_on(state) else "guard"
        # A service that is started again and again when it is done must not wear the card.
        if self.accounts.has_part or state.epochs.recent or not state.parts:
            self.accounts.finish(state)
            self.save(state)
        return state, stopped

    def save(self, state: TrainingState) -> None:
        """Write the state, and then the cache, so that a pulled plug costs neither."""
        try:
            self.folder.write_state(state)
        except TbftError as error:
            if not is_full_disk(error) or self.boundary is None or not self.boundary.give_way():
                raise
            self.folder.write_state(state)
        if self.boundary is not None:
            self.boundary.save()

    def _initial(self) -> TrainingState:
        return initial_state(self.bundle, self.plan, self.settings, self.base, self.channels)

    def _begin(self) -> TrainingState:
        """The state before the first epoch: base weights, evaluated, and adapted if the policy says so."""
        state = self._initial()
        state.run = self.record
        adapts = self.settings.reestimates
        if not adapts:
            self._fix(state)
        self.progress.begin("evaluating the base model", len(self.data.validation))
        with self._lap("evaluation"):
            tally = self._evaluator().evaluate(self.base, self.progress.advance)
        state.before = tally.evaluation()
        state.confusions["before"] = tally.confusion()
        state.keep_best(0, state.before, tally.confusion(), tally.exit_answers())
        if adapts:
            state.current |= self.adapted or self._adapted()
        if self.settings.epochs:
            self.teaching.begin(state, self._answers)
        if adapts:
            self._fix(state)
            with self._lap("evaluation"):
                tally = self._evaluator().evaluate(self._weights(state))
            state.adapted = tally.evaluation()
        starting = tally.evaluation()
        if starting is not None and not np.isfinite(starting.loss):
            raise _without_training(starting.loss)
        if self.teaching.is_better(state, starting, 0):
            state.keep_best(0, starting, tally.confusion(), tally.exit_answers())
        self.accounts.prepare(state)
        self.save(state)
        return state

    def _answers(self, state: TrainingState, indices: np.ndarray | None = None) -> Answers:
        """What the network answers to training images: to all, or those at store indices (n,)."""
        train = self.data.train
        evaluator = self._evaluator(train)
        if indices is not None:
            evaluator = replace(evaluator, part=replace(train, indices=indices))
        self.progress.begin(f"asking what {train.preprocessing.noun}s are", len(evaluator.part))
        with self._lap("evaluation"):
            yield from evaluator.answers(self._weights(state), self.progress.advance)

    def _run_epochs(self, state: TrainingState) -> str:
        """Train until the last epoch or until patience ends; returns why it stopped."""
        if state.epoch >= self.settings.epochs:
            return "epochs"
        self._fix(state)
        if self.boundary is None and self.settings.cache != "off":
            self.progress.note(f"no activation cache: {why_not_fixed(self.plan, self.settings)}")
        prefix = self.boundary.prefix if self.boundary else self._moving_prefix(state)
        weights, with_targets = self._weights(state), self.teaching.takes_targets
        step = TrainStep(self.bundle, self.plan, self.settings, weights, prefix, takes_targets=with_targets)
        evaluator = self._evaluator()
        warm = False
        while state.epoch < self.settings.epochs:
            if state.epoch - state.best_epoch >= self.settings.patience:
                return "patience"
            number = state.epoch + 1
            began = self.accounts.begin()
            epoch, tally = self._one_epoch(number, step, evaluator, state, warm_up=not warm)
            warm = True
            state.epochs.append(epoch)
            state.epoch = number
            best = self.teaching.is_better(state, epoch.validation, number)
            if best:
                state.keep_best(number, epoch.validation, tally.confusion(), tally.exit_answers())
            # Before it is saved, so that a run that ends here knows what the epoch took.
            self.accounts.close(state, began)
            with self._lap("saving"):
                self.save(state)
            self.accounts.extend(state)
            self.progress.epoch(state.epochs.find(number), self.settings.epochs, best)
        return "epochs"

    def _fix(self, state: TrainingState) -> None:
        """From here on the weights of the prefix stay as they are in `state`."""
        if self.boundary is None and why_not_fixed(self.plan, self.settings) is None:
            self.boundary = open_boundary(
                self.bundle, self.plan, self.settings, self._weights(state), self.data, self.folder.cache, self.progress
            )

    def _moving_prefix(self, state: TrainingState) -> Prefix | None:
        """The prefix under batch statistics, which move."""
        return load_prefix(self.bundle, self.plan, self.settings, self._weights(state))

    def _evaluator(self, part: Part | None = None) -> Evaluator:
        """Only the suffix, where the prefix is fixed; its batch statistics would be of no use here."""
        part, boundary = part or self.data.validation, self.boundary
        threads, images = self.settings.threads, self.settings.execution.evaluation_images
        plan, manifest = self.plan, self.bundle.manifest
        classes = len(manifest.classes)
        suffix = {plan.suffix: roles.suffix(plan, classes)}
        if boundary is not None:
            return Evaluator(self.bundle, suffix, threads, part, lambda indices: boundary.read(part, indices), images)
        if plan.exits:
            # The whole model as one graph has the last of them only.
            prefix = {plan.prefix: roles.prefix(plan, manifest.moving_norms(plan))}
            return Evaluator(self.bundle, prefix | suffix, threads, part, part.images, images)
        whole = {plan.predict: roles.whole_model(classes)} if plan.has_prefix else suffix
        return Evaluator(self.bundle, whole, threads, part, part.images, images)

    def _one_epoch(
        self, number: int, step: TrainStep, evaluator: Evaluator, state: TrainingState, *, warm_up: bool
    ) -> tuple[Epoch, Tally]:
        started = time.perf_counter()
        batches = self.teaching.batches(state, number, self._answers)
        self.progress.begin(f"epoch {number} of {self.settings.epochs}", sum(map(len, batches)))
        step_ms = []
        loss = 0.0
        correct = labelled = seen = 0
        stopwatch, same = self.accounts.stopwatch, self._input_phase(step)
        for indices in batches:
            phase = same or self._batch_phase(indices)
            # Written out, not as two laps of a `with`: the step of a last layer takes hardly longer than those.
            before = time.perf_counter()
            inputs = self._inputs(step, indices)
            between = time.perf_counter()
            taught = self.teaching.step(step, state, inputs, indices)
            after = time.perf_counter()
            stopwatch.add(phase, before, between)
            stopwatch.add("train", between, after)
            step_ms.append((after - before) * 1000)
            if not np.isfinite(taught.loss) and not state.step:
                raise _without_training(taught.loss)
            if not np.isfinite(taught.loss):
                raise self._diverged(f"the loss became {taught.loss} in epoch {number}", number)
            # The graph adds up what exits lose; of several, losses are told as means, as in validation.
            loss += taught.loss / max(1, len(self.plan.exits)) * len(indices)
            correct += taught.correct
            seen += len(indices)
            labelled += taught.labelled
            self.progress.advance(len(indices))
            self.progress.training(len(indices), loss / seen, _part(correct, labelled))
        if not seen:
            raise TbftError("there is no image to train on", "give some with `data`")
        self.teaching.end(state)
        with self._lap("validation"):
            tally = evaluator.evaluate(self._weights(state))
        validation = tally.evaluation()
        if validation is not None and not np.isfinite(validation.loss):
            raise self._diverged(f"the validation loss is no number after epoch {number}", number)
        epoch = Epoch(
            number=number,
            train_loss=loss / seen,
            train_accuracy=_part(correct, labelled),
            validation=validation,
            seconds=time.perf_counter() - started,
            steps=Laps.of(step_ms),
            warm_up=warm_up,
        )
        return epoch, tally

    def _lap(self, phase: Phase) -> AbstractContextManager[None]:
        return self.accounts.stopwatch.lap(phase)

    def _input_phase(self, step: TrainStep) -> Phase | None:
        """Whether the inputs of the epoch that begins only have to be read; None if that depends on the batch."""
        if self.boundary is not None:
            return "read" if self.boundary.holds(self.data.train, self.data.train.indices) else None
        return "read" if step.prefix is None else "prefix"

    def _batch_phase(self, indices: np.ndarray) -> Phase:
        """Whether the inputs of a batch at store indices (n,) only have to be read."""
        return "read" if self.boundary is not None and self.boundary.holds(self.data.train, indices) else "prefix"

    def _inputs(self, step: TrainStep, indices: np.ndarray) -> Tensors:
        """What a step begins with, for training images at store indices (n,)."""
        if self.boundary is not None:
            return {self.plan.boundary.name: self.boundary.read(self.data.train, indices)}
        return step.to_boundary(self.data.train.images(indices))

    def _adapted(self) -> Arrays:
        with self._lap("statistics"):
            return adapted_statistics(self.bundle, self.settings, self.data, self.base, self.progress)

    def _weights(self, state: TrainingState) -> Tensors:
        """Every weight as it is now."""
        return merged(self.plan, self.base, state.current)

    def _diverged(self, what: str, number: int) -> DivergedError:
        return DivergedError(
            f"{what}; '{self.folder.path}' keeps the state after epoch {number - 1}",
            f"train again with a lower `lr` than {self.settings.lr:g}",
        )


def _without_training(loss: float) -> DivergedError:
    """No step was taken yet, so that no rate is to blame."""
    return DivergedError(
        f"the loss is {loss} before anything is trained",
        "no `lr` mends that: export the bundle again, from a model that learned",
    )


def _part(correct: int, labelled: int) -> float | None:
    """The part of the images with a label that was answered rightly, if there are any."""
    return correct / labelled if labelled else None
