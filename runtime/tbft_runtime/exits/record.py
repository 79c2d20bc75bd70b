"""What leaving early gives: how many images leave where, how often they are right, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from tbft_artifacts.plan import Exit, Plan
from tbft_runtime.exits.policy import calibrated, leaving
from tbft_runtime.run.exit_answers import ExitAnswers
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState

# Of fewer validation images, a few decide what the threshold is.
FEW_IMAGES = 100


class ExitShare(msgspec.Struct, frozen=True, kw_only=True):
    """One exit. `flops`: floating-point operations of an image until it has answered.

    `accuracy`: how often it would be right if it answered every image. `share`: the part of the images that leave
    there, and `share_accuracy` how often they are answered rightly, None if none does.
    """

    name: str
    flops: int
    accuracy: float
    share: float
    share_accuracy: float | None


class EarlyAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """Answers of the first exit that is at least `threshold` sure, of `images` labelled images.

    `accuracy` and `mean_flops` (per image) are those of these answers; `full_accuracy` and `full_flops` of the last
    exit, if it answered every image. `exits` are in the order of the network.
    """

    threshold: float
    images: int
    accuracy: float
    full_accuracy: float
    mean_flops: float
    full_flops: int
    exits: tuple[ExitShare, ...]


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How a run chose its threshold: by its validation images (`early`), to be right as often as `wanted` (0 to 1).

    By those images a little more often, since others are answered rightly less often than those that chose:
    `has_margin` is whether any threshold is right by a standard error more often, as it should be. If not, the
    threshold is the one that is right most often.
    """

    wanted: float
    early: EarlyAnswers
    has_margin: bool = False

    @property
    def is_reached(self) -> bool:
        """Whether any threshold is right so often, be it without a margin."""
        return self.early.accuracy >= self.wanted

    @property
    def is_doubtful(self) -> bool:
        """Whether so few images decided that others may fare quite differently."""
        return self.early.images < FEW_IMAGES


def early_answers(exits: Sequence[Exit], answers: ExitAnswers, threshold: float) -> EarlyAnswers:
    """What the policy with `threshold` makes of images of which every exit's answer is known; at least one image."""
    left = leaving(answers.confidence, threshold)
    right = answers.right[np.arange(answers.images), left]
    shares = []
    for number, found in enumerate(exits):
        here = left == number
        shares.append(
            ExitShare(
                name=found.name,
                flops=found.flops,
                accuracy=float(answers.right[:, number].mean()),
                share=float(here.mean()),
                share_accuracy=float(right[here].mean()) if here.any() else None,
            )
        )
    return EarlyAnswers(
        threshold=threshold,
        images=answers.images,
        accuracy=float(right.mean()),
        full_accuracy=shares[-1].accuracy,
        mean_flops=float(np.array([found.flops for found in exits])[left].mean()),
        full_flops=exits[-1].flops,
        exits=tuple(shares),
    )


def calibration(exits: Sequence[Exit], answers: ExitAnswers, wanted: float | None) -> Calibration:
    """The threshold for `wanted` (None: as often right as the last exit), and what it gives on the same images."""
    found = calibrated(answers, wanted)
    early = early_answers(exits, answers, found.threshold)
    wanted = early.full_accuracy if wanted is None else wanted
    return Calibration(wanted=wanted, early=early, has_margin=found.has_margin)


def calibration_of(plan: Plan, settings: Settings, state: TrainingState) -> Calibration | None:
    """When the exits of the best state answer: by the validation images; None where no image told."""
    return None if state.exits is None else calibration(plan.exits, state.exits, settings.exit_accuracy)
