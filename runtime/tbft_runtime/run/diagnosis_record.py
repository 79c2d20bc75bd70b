"""What a diagnosis saw, decided and advises."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from tbft_artifacts.plan import Drift
from tbft_artifacts.structs import Count, Epochs, Part, Seed, Some


class NormShift(msgspec.Struct, frozen=True, kw_only=True):
    """How far the input of one batch norm moved from what the source model saw.

    `shift` is the root mean square over channels of the mean's move, in standard deviations, and of the change
    of the variance's logarithm, together; `noise` is what sampling alone adds to it. `plan` trains the block
    that the norm belongs to, None if no candidate does.
    """

    norm: str
    plan: str | None
    shift: float
    noise: float


class LabelEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the last features know of the labels, over the samples; fractions from 0 to 1.

    `accuracy` is the model's, `confidence` its mean highest probability, and `adapted_accuracy` its accuracy with
    statistics re-estimated on the samples (None where it could change nothing). `means_accuracy` is that of the
    nearest class mean, and `fitted_accuracy` that of a fitted linear head, for each image from all others. `gain`
    is by how many standard errors class means are right more often than the model, with old and with re-estimated
    statistics, and `scatter` by how many the fitted head is right more often than class means. `passes`: how often
    the `samples` went through the network for this.

    Where nobody trained the head yet (`fresh`), its answers say nothing: there `adapted_means_accuracy` is that of
    class means with re-estimated statistics, and `restored` by how many standard errors these are right more often.
    """

    accuracy: Part
    confidence: Part
    adapted_accuracy: Part | None
    means_accuracy: Part
    fitted_accuracy: Part
    gain: float
    scatter: float
    passes: Count
    samples: Some
    fresh: bool = False
    adapted_means_accuracy: Part | None = None
    restored: float = 0.0

    @property
    def model_accuracy(self) -> float:
        """The model's, with old or with re-estimated statistics, whichever is better."""
        return max(self.accuracy, self.adapted_accuracy or 0.0)

    @property
    def mended(self) -> float:
        """Which part of the model's errors class means would mend; below 0 if they make more."""
        errors = 1 - self.model_accuracy
        return (self.means_accuracy - self.model_accuracy) / errors if errors else 0.0

    @property
    def is_as_sure_as_right(self) -> bool:
        """Whether the confidence is within two standard errors of the accuracy: nothing tells that it drifted."""
        error = math.sqrt(max(self.confidence * (1 - self.confidence), 1 / self.samples) / self.samples)
        return self.accuracy >= self.confidence - 2 * error


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that could be chosen, and what was seen of its blocks.

    `norm` is where its largest `shift` is, `noise` what sampling adds there; None without batch norms.
    `raced` is its accuracy in the short race, None where there was none.
    """

    plan: str
    drift: Drift
    blocks: tuple[str, ...]
    norm: str | None
    shift: float | None
    noise: float | None
    raced: float | None


# Leave the model as it is; train without labels; another last layer in closed form; train on labels.
Way = Literal["nothing", "unlabelled", "learn", "train"]


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """Which way of adapting is right for what drifted, within what the bundle can do, and how many labels it takes.

    `labels`: so many of each class are worth getting, 0 where the way takes none. `at_hand`: so many of each class the
    data has, on average and rounded down. `check`: so many labelled images can decide what is kept of training without
    labels, 0 where there are too few to spare. `reasons` are sentences.
    """

    way: Way
    labels: Count
    at_hand: Count
    check: Count
    reasons: tuple[str, ...]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The plan to train, and why.

    `reasons` are sentences. `candidates` and `norms` are in the order of the network; `labels` is None where no
    plan trains the head alone, and without `labelled` images. `samples` images were looked at, chosen by `seed`, which
    took `seconds` from the first graph to the decision; `labelled`: and their labels. `share` is its arithmetic as part
    of what training that plan instead of everything saves, for `train_images` images and `epochs` epochs; None if the
    network cannot be trained whole. `advice` is None in what was written before there was any.
    """

    bundle_id: str
    plan: str
    drift: Drift
    blocks: tuple[str, ...]
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    norms: tuple[NormShift, ...]
    labels: LabelEvidence | None
    samples: Some
    seed: Seed
    seconds: float
    share: float | None
    train_images: Count
    epochs: Epochs
    labelled: bool = True
    advice: Advice | None = None
