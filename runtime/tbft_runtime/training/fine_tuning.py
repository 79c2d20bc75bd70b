"""The epochs of a run: where it begins, how an epoch goes, when it ends."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np

from tbft_artifacts.atomic import is_full_disk
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import keeps_inputs
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.activations import BoundaryActivations, open_boundary, why_not_fixed
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.data.dataset import Part, TrainingData
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.kept.images import KeptImages
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
from tbft_runtime.training.closed_form import starting_head, too_few_for
from tbft_runtime.training.distillation import OldAnswers, old_answers
from tbft_runtime.training.divergence import diverged, without_training
from tbft_runtime.training.evaluator import Evaluator
from tbft_runtime.training.forward import evaluator_of
from tbft_runtime.training.inputs import StepInputs
from tbft_runtime.training.old_data import blends, old_data
from tbft_runtime.training.running import RunningTotals
from tbft_runtime.training.sparse_rows import Channels, merged
from tbft_runtime.training.step import TrainStep, initial_state
from tbft_runtime.training.teaching import Answers, Teaching


@dataclass
class FineTuning:
    """What is trained, on which images, from which weights, and who keeps and watches it.

    `channels` are those that a sparse plan trains. `adapted` are re-estimated batch-norm statistics, if that was done
    already. `kept` are images of the source domain, if the bundle has some. `teaching` says what images are to be
    answered with. `boundary` is there once the weights of the frozen prefix are known, if there is one whose
    activations depend on the image alone.
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

    def _begin(self) -> TrainingState:
        """The state before the first epoch: base weights, evaluated, and adapted if the policy says so."""
        state = initial_state(self.bundle, self.plan, self.settings, self.base, self.channels)
        state.run = self.record
        adapts = self.settings.reestimates
        if not adapts:
            self._fix(state)
        self.progress.begin("evaluating the base model", len(self.data.validation))
        evaluator = self._evaluator()
        with self._lap("evaluation"):
            tally = evaluator.evaluate(self.base, self.progress.advance)
            state.old_before = old = old_data(evaluator, self.kept, self.base)
        state.before = tally.evaluation()
        state.confusions["before"] = tally.confusion()
        state.keep_best(0, state.before, tally.confusion(), tally.exit_answers(), old)
        if adapts:
            state.current |= self.adapted or self._adapted()
        if self.settings.epochs:
            self.teaching.begin(state, self._answers)
        if adapts:
            self._fix(state)
            evaluator = self._evaluator()
            with self._lap("evaluation"):
                tally = evaluator.evaluate(self._weights(state))
                old = old_data(evaluator, self.kept, self._weights(state))
            state.adapted = tally.evaluation()
        starting = tally.evaluation()
        if starting is not None and not np.isfinite(starting.loss):
            raise without_training(starting.loss)
        if self.teaching.is_better(state, starting, 0):
            state.keep_best(0, starting, tally.confusion(), tally.exit_answers(), old)
        self._begin_in_closed_form(state)
        self.accounts.prepare(state)
        self.save(state)
        return state

    def _begin_in_closed_form(self, state: TrainingState) -> None:
        """Begin with another last layer, where there are few images and it is better on those to validate on."""
        asked = self.settings.starting_head == "auto" and self.settings.labels == "all"
        named = too_few_for(self.bundle, self.plan, self.data.train)
        if self.boundary is None or state.after is None or named is None or not asked:
            return
        with self._lap("prefix"):
            features = (self._weights(state), self.boundary, self.data.train)
            found = starting_head(self.bundle, named, *features, state.current)
        evaluator, weights = self._evaluator(), {**self._weights(state), **found.tensors}
        with self._lap("evaluation"):
            tally = evaluator.evaluate(weights)
            old = old_data(evaluator, self.kept, weights)
        evaluation = tally.evaluation()
        if evaluation is not None and evaluation.loss < state.best_loss:
            state.learned = found.record(self.bundle.manifest.classes, tally)
            state.current |= {name: value.copy() for name, value in found.tensors.items()}
            state.keep_best(0, evaluation, tally.confusion(), None, old)

    def _answers(self, state: TrainingState, indices: np.ndarray | None = None) -> Answers:
        """What the network answers to training images: to all, or those at store indices (n,)."""
        part = self.data.train if indices is None else replace(self.data.train, indices=indices)
        self.progress.begin(f"asking what {part.preprocessing.noun}s are", len(part))
        with self._lap("evaluation"):
            yield from self._evaluator(part).answers(self._weights(state), self.progress.advance)

    def _run_epochs(self, state: TrainingState) -> str:
        """Train until the last epoch or until patience ends; returns why it stopped."""
        if state.epoch >= self.settings.epochs:
            return "epochs"
        self._fix(state)
        if self.boundary is None and self.settings.cache != "off":
            self.progress.note(f"no activation cache: {why_not_fixed(self.plan, self.settings)}")
        loaded = self.bundle, self.plan, self.settings, self._weights(state)
        # Without a fixed one, that under batch statistics, which move.
        prefix = self.boundary.prefix if self.boundary else load_prefix(*loaded)
        step = TrainStep(*loaded, prefix, takes_targets=self.settings.takes_targets)
        self.teaching.remember(self.kept, self._old_answers(state) if self.settings.distill else None)
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

    def _evaluator(self, part: Part | None = None) -> Evaluator:
        """Of the validation images, or of others."""
        return evaluator_of(self.bundle, self.plan, self.settings, part or self.data.validation, self.boundary)

    def _one_epoch(
        self, number: int, step: TrainStep, evaluator: Evaluator, state: TrainingState, *, warm_up: bool
    ) -> tuple[Epoch, Tally]:
        started = time.perf_counter()
        batches = self.teaching.batches(state, number, self._answers)
        self.progress.begin(f"epoch {number} of {self.settings.epochs}", sum(len(batch.own) for batch in batches))
        step_ms = []
        totals = RunningTotals()
        inputs = StepInputs(self.plan, self.settings, self.data.train, self.kept, self.boundary, number)
        stopwatch, same = self.accounts.stopwatch, inputs.phase(step)
        for batch in batches:
            phase = same or inputs.batch_phase(batch.own)
            # Written out, not as two laps of a `with`: the step of a last layer takes hardly longer than those.
            before = time.perf_counter()
            values = inputs.read(step, batch)
            between = time.perf_counter()
            taught = self.teaching.step(step, state, values, batch)
            after = time.perf_counter()
            stopwatch.add(phase, before, between)
            stopwatch.add("train", between, after)
            step_ms.append((after - before) * 1000)
            if not np.isfinite(taught.loss) and not state.step:
                raise without_training(taught.loss)
            if not np.isfinite(taught.loss):
                what = f"the loss became {taught.loss} in epoch {number}"
                raise diverged(what, number, self.folder.path, self.settings.lr)
            # The graph adds up what exits lose; of several, losses are told as means, as in validation.
            loss = taught.loss / max(1, len(self.plan.exits))
            totals.add(loss, taught.correct, taught.labelled, len(batch.order))
            self.progress.advance(len(batch.own))
            self.progress.training(len(batch.own), totals.loss, totals.accuracy)
        if not totals.seen:
            raise TbftError("there is no image to train on", "give some with `data`")
        self.teaching.end(state)
        with self._lap("validation"):
            tally = evaluator.evaluate(self._weights(state))
        validation = tally.evaluation()
        if validation is not None and not np.isfinite(validation.loss):
            what = f"the validation loss is no number after epoch {number}"
            raise diverged(what, number, self.folder.path, self.settings.lr)
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

    def _blend(self, state: TrainingState) -> bool:
        """Measure what lies between the base model and the best state, once; whether that was done now."""
        # With other statistics in the frozen part than the base model has, no suffix could be blended alone.
        if not state.best_epoch or state.blends or state.old_after is None or self.settings.reestimates:
            return False
        self._fix(state)
        self.progress.begin("measuring models between the base model and the best state", 0)
        trained = merged(self.plan, self.base, state.best)
        state.blends = tuple(blends(self._evaluator(), self.kept, self.base, trained, state))
        return bool(state.blends)

    def _old_answers(self, state: TrainingState) -> OldAnswers:
        """What the model before training answers to each image, by the frozen part as it is now."""
        manifest, moving = self.bundle.manifest, self.bundle.manifest.moving_norms(self.plan)
        # Those that move are others after each epoch, and a run that goes on has to find the same answers.
        norms = [norm for norm in manifest.batch_norms if norm not in moving] if self.settings.reestimates else []
        adapted = {name: state.current[name] for norm in norms for name in (norm.mean, norm.variance)}
        with self._lap("evaluation"):
            return old_answers(self._evaluator(self.data.train), self.kept, {**self.base, **adapted})

    def _adapted(self) -> Arrays:
        with self._lap("statistics"):
            return adapted_statistics(self.bundle, self.settings, self.data, self.base, self.progress)

    def _weights(self, state: TrainingState) -> Tensors:
        """Every weight as it is now."""
        return merged(self.plan, self.base, state.current)
