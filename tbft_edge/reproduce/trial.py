"""A trial: what is trained how on which drift, and what came out. A table is made of them."""

from __future__ import annotations

from typing import Literal

import msgspec

from tbft_edge.reproduce.blocks import PaperBlock

Engine = Literal["pytorch", "device"]
# none: the network as it comes. statistics: its batch-norm statistics estimated again, nothing trained.
# paper: the paper's optimizer, schedule and batch norms. default: what the bundle does when nothing is asked of it.
# frozen, adapt, batch: the same with these batch norms for every block.
# Without labels: unlabelled is `train --labels none`; tent, shot, t3a are those methods as published (`baselines`).
Recipe = Literal[
    "none", "statistics", "paper", "default", "frozen", "adapt", "batch", "unlabelled", "tent", "shot", "t3a"
]

# Those that are the same rule for every block.
POLICIES: tuple[Literal["frozen", "adapt", "batch"], ...] = ("frozen", "adapt", "batch")


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of a table. `block` is what is trained, None if nothing is or the recipe says it itself;
    `size` per cent of the images train, `repeat` seeds the run.
    """

    case: str
    engine: Engine
    recipe: Recipe
    block: PaperBlock | None
    size: int
    repeat: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial gave. Accuracies are fractions of the `test_images` and of the validation images.

    `epochs` ran, and the weights after `best_epoch` were kept (0: those before training). `seconds` is time in
    epochs, validation included, `epoch_seconds` the median of them, `step_ms` the median of a step; `joules` of
    the epochs are None without a meter. `diverged`: the loss stopped being a number, and the best weights before
    that count. `seen_accuracy` is that of the test images of `Case.seen`, the classes that training saw, where a case
    names them.
    """

    accuracy: float
    test_images: int
    validation_accuracy: float | None
    epochs: int
    best_epoch: int
    seconds: float
    epoch_seconds: float | None
    step_ms: float | None
    joules: float | None
    diverged: bool = False
    seen_accuracy: float | msgspec.UnsetType = msgspec.UNSET


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A trial that was run."""

    trial: Trial
    outcome: Outcome
