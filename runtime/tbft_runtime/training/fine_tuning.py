"""The epochs of a run: where it begins, how an epoch goes, when it ends."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from tbft_artifacts.atomic import is_full_disk
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import keeps_inputs
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.activations import BoundaryActivations, open_boundary, why_not_fixed
from tbft_runtime.boundary.prefix import Prefix, load_prefix
from tbft_runtime.data.dataset import Part, TrainingData
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.kept.images import KeptImages
from tbft_runtime.kept.mixing import MixedBatch, mixed_batches
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
from tbft_runtime.training.distillation import OldAnswers, correct_answers, old_answers
from tbft_runtime.training.divergence import diverged, without_training
from tbft_runtime.training.evaluator import Evaluator
from tbft_runtime.training.old_data import blends, old_data
from tbft_runtime.training.running import RunningTotals
from tbft_runtime.training.sparse_rows import Channels, merged
from tbft_runtime.training.step import TrainStep, initial_state


@dataclass
class FineTuning:
    """What is trained, on which images, from which weights, and who keeps and watches it.

    `channels` are those that a sparse plan trains. `adapted` are re-estimated batch-norm statistics, if that was done
    already. `kept` are images of the source domain. `boundary` is there once the weights of the frozen prefix are
    known, if there is one whose activations depend on the image alone; `old` is what the old model answers, if that is
    learned, too.
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
    kept: KeptImages
    boundary: BoundaryActivations | None = field(default=None, init=False)
    old: OldAnswers | None = field(default=None, init=False)

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
        stopped = self._run_epochs(state) if self.settings.epochs else "adapted"
        is_blended = self._blend(state)
        # A service that is started again and again when it is done must not wear the card.
        if self.accounts.has_part or state.epochs.recent or not state.parts or is_blended:
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
        adapts = self.settings.batch_norm == "adapt"
        if not adapts:
            self._fix(state)
        self.progress.begin("evaluating the base model", len(self.data.validation))
        evaluator = self._evaluator()
        with self._lap("evaluation"):
            tally = evaluator.evaluate(self.base, self.progress.advance)
            state.old_before = old = old_data(evaluator, self.kept, self.base)
        state.before = tally.evaluation()
        state.confusions["before"] = tally.confusion()
        if adapts:
            state.current |= self.adapted or self._adapted()
            self._fix(state)
            evaluator = self._evaluator()
            with self._lap("evaluation"):
                tally = evaluator.evaluate(self._weights(state))
                old = old_data(evaluator, self.kept, self._weights(state))
            state.adapted = tally.evaluation()
        starting = tally.evaluation()
        if starting is not None and not np.isfinite(starting.loss):
            raise without_training(starting.loss)
        state.keep_best(0, starting, tally.confusion(), tally.exit_answers(), old)
        self.accounts.prepare(state)
        self.save(state)
        return state

    def _run_epochs(self, state: TrainingState) -> str:
        """Train until the last epoch or until patience ends; returns why it stopped."""
        if state.epoch >= self.settings.epochs:
            return "epochs"
        self._fix(state)
        if self.boundary is None and self.settings.cache != "off":
            self.progress.note(f"no activation cache: {why_not_fixed(self.plan, self.settings)}")
        prefix = self.boundary.prefix if self.boundary else self._moving_prefix(state)
        share = self.settings.distill
        step = TrainStep(self.bundle, self.plan, self.settings, self._weights(state), prefix, takes_targets=bool(share))
        if share:
            self._ask_old(state)
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
            best = epoch.validation.loss < state.best_loss
            if best:
                with self._lap("validation") if len(self.kept.measured) else nullcontext():
                    old = old_data(evaluator, self.kept, self._weights(state))
                state.keep_best(number, epoch.validation, tally.confusion(), tally.exit_answers(), old)
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
            if keeps_inputs(self.plan):
                self.kept = self.kept.behind(self.boundary.prefix, self.plan.boundary.name)

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
        train, settings = self.data.train, self.settings
        self.progress.begin(f"epoch {number} of {settings.epochs}", len(train))
        started = time.perf_counter()
        step_ms = []
        totals = RunningTotals()
        stopwatch, same = self.accounts.stopwatch, self._input_phase(step)
        for batch in mixed_batches(train, settings, self.kept.remembered, number):
            labels = batch.joined(train.labels(batch.own), self.kept.labels)
            phase = same or self._batch_phase(batch.own)
            # Written out, not as two laps of a `with`: the step of a last layer takes hardly longer than those.
            before = time.perf_counter()
            inputs = self._inputs(step, batch)
            between = time.perf_counter()
            wanted = labels if self.old is None else self.old.targets(batch, train, labels, settings.distill or 0)
            result = step.run_from_boundary(state, inputs, wanted)
            after = time.perf_counter()
            stopwatch.add(phase, before, between)
            stopwatch.add("train", between, after)
            step_ms.append((after - before) * 1000)
            if not np.isfinite(result.loss) and not state.step:
                raise without_training(result.loss)
            if not np.isfinite(result.loss):
                raise diverged(
                    f"the loss became {result.loss} in epoch {number}", number, self.folder.path, settings.lr
                )
            # The graph adds up what exits lose; of several, losses are told as means, as in validation.
            totals.add(result.loss / max(1, len(self.plan.exits)), correct_answers(result, labels), labels)
            self.progress.advance(len(batch.own))
            self.progress.training(len(batch.own), totals.loss, totals.accuracy)
        if not totals.seen:
            raise TbftError("there is no image to train on", "give some with `data`")
        with self._lap("validation"):
            tally = evaluator.evaluate(self._weights(state))
        validation = tally.evaluation()
        if validation is None or not np.isfinite(validation.loss):
            what = f"the validation loss is no number after epoch {number}"
            raise diverged(what, number, self.folder.path, settings.lr)
        epoch = Epoch(
            number=number,
            train_loss=totals.loss,
            train_accuracy=totals.accuracy,
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

    def _inputs(self, step: TrainStep, batch: MixedBatch) -> Tensors:
        """What a step begins with, for training images and those that are remembered."""
        if self.boundary is not None:
            own = self.boundary.read(self.data.train, batch.own)
            return {self.plan.boundary.name: batch.joined(own, self.kept.read)}
        return step.to_boundary(batch.joined(self.data.train.images(batch.own), self.kept.read))

    def _blend(self, state: TrainingState) -> bool:
        """Measure what lies between the base model and the best state, once; whether that was done now."""
        # With other statistics in the frozen part than the base model has, no suffix could be blended alone.
        if not state.best_epoch or state.blends or state.old_after is None or self.settings.batch_norm == "adapt":
            return False
        self._fix(state)
        self.progress.begin("measuring models between the base model and the best state", 0)
        trained = merged(self.plan, self.base, state.best)
        state.blends = tuple(blends(self._evaluator(), self.kept, self.base, trained, state))
        return bool(state.blends)

    def _ask_old(self, state: TrainingState) -> None:
        """What the model before training answers to each image, by the frozen part as it is now."""
        norms = self.bundle.manifest.batch_norms if self.settings.batch_norm == "adapt" else ()
        adapted = {name: state.current[name] for norm in norms for name in (norm.mean, norm.variance)}
        with self._lap("evaluation"):
            self.old = old_answers(self._evaluator(self.data.train), self.kept, {**self.base, **adapted})

    def _adapted(self) -> Arrays:
        with self._lap("statistics"):
            return adapted_statistics(self.bundle, self.settings, self.data, self.base, self.progress)

    def _weights(self, state: TrainingState) -> Tensors:
        """Every weight as it is now."""
        return merged(self.plan, self.base, state.current)
