"""What has drifted in each part of the demo, and how it is answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One drift, and how to answer it. Settings were chosen on the training part of the data alone.

    `batch_norm` and `lr` are for the block; training everything takes batch statistics and `full_lr`. With `auto`
    the device is not told what drifted: its bundle has a plan for every block, and it finds out which to train.
    """

    drift: str
    happened: str
    weights: str
    batch_norm: str
    optimizer: str
    lr: float
    full_lr: float
    epochs: int
    classes: str | None = None
    auto: bool = False


CASES = (
    Case("input", "dark ink on bright paper, noise", "digits", "batch", "sgd", 0.03, 0.03, 8),
    Case(
        "feature",
        "digits that the model never saw",
        "digits_superclasses",
        "frozen",
        "adam",
        0.001,
        0.001,
        20,
        "zero-six,one-seven,four-nine,two-three,five-eight",
    ),
    Case("output", "label y now means 9 - y", "digits", "frozen", "sgd", 0.1, 0.01, 6, auto=True),
)
