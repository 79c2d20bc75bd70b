"""What the project promised to reach: one row per quantity, one number per drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.protocol import Drift

DRIFTS: tuple[Drift, ...] = ("input", "feature", "output", "full")
Quantity = Literal["step-pytorch", "step-ort", "training-same", "training-full", "memory", "peak-share"]


@dataclass(frozen=True)
class Goal:
    """At least so much per drift; None means to be measured, and a drift that is missing has no such number."""

    quantity: Quantity
    text: str
    at_least: Mapping[Drift, float | None]


# Of ratios that are not shares: theirs ÷ ours.
GOALS = (
    Goal(
        "step-pytorch",
        "one uncached train step, PyTorch eager ÷ ours",
        {"input": 1.2, "feature": 1.3, "output": 2.0, "full": 1.1},
    ),
    Goal(
        "step-ort",
        "one uncached train step, ORT Training ÷ ours",
        {"input": 2.0, "feature": 1.4, "output": None, "full": 1.8},
    ),
    Goal(
        "training-same",
        "a whole training, PyTorch same block ÷ ours",
        {"input": 1.2, "feature": 1.7, "output": 15.0, "full": 1.1},
    ),
    Goal(
        "training-full",
        "a whole training, PyTorch full fine-tuning ÷ ours",
        {"input": 1.4, "feature": 2.8, "output": 30.0},
    ),
    Goal(
        "memory",
        "peak RSS of the process that trains, PyTorch ÷ ours",
        {"input": 3.0, "feature": 3.0, "output": 4.0, "full": 2.2},
    ),
    Goal(
        "peak-share",
        "share of the measured SGEMM peak, suffix step",
        {"input": 0.65, "feature": 0.65, "full": 0.65},
    ),
)
