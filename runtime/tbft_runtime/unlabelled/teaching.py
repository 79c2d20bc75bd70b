"""The network's own answers teach: `labels` "none"."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from msgspec.structs import replace

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.data.dataset import Part
from tbft_runtime.data.draw import shuffled
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.kept.images import KeptImages
from tbft_runtime.kept.mixing import MixedBatch
from tbft_runtime.run.epoch import Evaluation
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState
from tbft_runtime.run.unlabelled_record import Sureness, Unlabelled
from tbft_runtime.softmax import softmax
from tbft_runtime.training.distillation import OldAnswers
from tbft_runtime.training.step import TrainStep
from tbft_runtime.training.targets import Targets
from tbft_runtime.training.teaching import Ask, Taught
from tbft_runtime.unlabelled.blend import CHECKED_SHARES, SHARES, blended
from tbft_runtime.unlabelled.guard import choose, decide
from tbft_runtime.unlabelled.information import entropies, log_marginal, moved, sure
from tbft_runtime.unlabelled.survey import survey

# So many images say which statistics suit them all: each share of the network's own takes a pass over them.
LOOKED_AT = 512


@dataclass
class ByInformation:
    """Answers are made surer, and stay of many classes; each epoch leaves out those images whose answer is unsure.

    It begins by blending statistics. An epoch begins by asking the network about all images, so that nothing but its
    weights has to be kept from one epoch to the next. The last state is kept, or with labels to check by the one that
    answers most of them rightly. `base` are the weights that the network came with.
    """

    bundle: Bundle
    plan: Plan
    settings: Settings
    train: Part
    base: Tensors
    note: Callable[[str], None]
    _mean: np.ndarray = field(init=False)

    def begin(self, state: TrainingState, ask: Ask) -> None:
        norms = self.bundle.manifest.batch_norms if self.settings.reestimates else ()
        estimated = {name: state.current[name] for norm in norms for name in (norm.mean, norm.variance)}
        checked = self.settings.check_labels is not None
        some = np.sort(shuffled(self.train.indices, LOOKED_AT, (self.settings.seed, 0))[0])
        found: dict[float, Sureness] = {}
        for share in SHARES if norms else (1.0,):
            state.current |= blended(self.base, estimated, norms, share)
            found[share] = survey(ask(state, some)).sureness
        if checked and norms:
            best = min(CHECKED_SHARES, key=lambda share: found[share].entropy)
        else:
            best = choose(found, self._classes)
        state.current |= blended(self.base, estimated, norms, best)
        images, noun = len(self.train), self.train.preprocessing.noun
        decision, why = decide(best if norms else 0.0, found[best], self._classes, images, noun)
        if checked:
            decision, why = "train", ""
        state.unlabelled = Unlabelled(
            images=images, before=found[1.0], adapted=found[best], share=best, decision=decision, why=why
        )
        if decision != "train":
            self.note(f"{'the network stays as it came' if decision == 'keep' else 'only statistics change'}: {why}")

    def goes_on(self, state: TrainingState) -> bool:
        return _record(state).decision == "train"

    def remember(self, kept: KeptImages, old: OldAnswers | None) -> None:
        """Source images take no part: their labels are not asked for."""

    def batches(self, state: TrainingState, number: int, ask: Ask) -> Sequence[MixedBatch]:
        found = survey(ask(state, None))
        self._mean = found.mean
        size, seed = self.settings.batch_size, self.settings.seed
        chosen = found.indices[sure(found.entropies, self._classes)]
        if len(chosen) < size:
            # Too few for a step: where hardly any answer is sure, all of them teach.
            chosen = found.indices
        batches = shuffled(np.sort(chosen), size, (seed, number))
        if len(batches) > 1 and len(batches[-1]) < size:
            # Statistics and mean answer of a few images are those of no batch.
            batches.pop()
        record, unsure = _record(state), len(found.indices) - len(chosen)
        state.unlabelled = replace(
            record,
            trained=record.trained + sum(map(len, batches)),
            unsure=record.unsure + unsure,
            last_unsure=unsure,
        )
        return [MixedBatch.alone(indices) for indices in batches]

    def step(self, step: TrainStep, state: TrainingState, inputs: Tensors, batch: MixedBatch) -> Taught:
        """The loss that is told is the mean entropy of the answers."""
        images = len(batch.own)
        result = step.run_from_boundary(
            state,
            inputs,
            Targets(
                np.zeros((images, self._classes), np.float32), np.ones(images, np.float32), log_marginal(self._mean)
            ),
        )
        if not math.isfinite(result.loss):
            return Taught(result.loss, 0, 0)
        probabilities = softmax(result.logits)
        self._mean = moved(self._mean, probabilities)
        return Taught(float(entropies(probabilities).mean()), 0, 0)

    def end(self, state: TrainingState) -> None:
        """Statistics that moved with the batches, of these images alone, are blended as those before."""
        moving = self.bundle.manifest.moving_norms(self.plan)
        share = _record(state).share if self.settings.reestimates else 0.0
        state.current |= blended(self.base, state.current, moving, share)

    def is_better(self, state: TrainingState, validation: Evaluation | None, number: int) -> bool:  # noqa: ARG002
        if self.settings.check_labels is None or validation is None or state.after is None:
            return True
        # Answers become surer, rightly or not, which cross-entropy holds against them.
        return validation.accuracy >= state.after.accuracy

    @property
    def _classes(self) -> int:
        return len(self.bundle.manifest.classes)


def _record(state: TrainingState) -> Unlabelled:
    assert state.unlabelled is not None, "training began without it"
    return state.unlabelled
