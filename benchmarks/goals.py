"""What the project promised to reach: one row per quantity, one number per drift and number of threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.protocol import Drift, Network

DRIFTS: tuple[Drift, ...] = ("input", "feature", "output", "full")
# At 224 px, as users train them.
LARGE: tuple[Network, ...] = ("resnet18", "resnet50", "mobilenet_v2", "efficientnet_lite0")
NETWORKS: tuple[Network, ...] = ("resnet26", *LARGE)
Quantity = Literal["step-format", "step-eager", "step-peer", "training", "training-memory", "step-memory"]
PerDrift = Mapping[Drift, float]


@dataclass(frozen=True)
class Goal:
    """At least so much of theirs ÷ ours per drift, with one thread and with two."""

    quantity: Quantity
    text: str
    networks: tuple[Network, ...]
    one_thread: PerDrift
    two_threads: PerDrift

    def at_least(self, drift: Drift, threads: int) -> float | None:
        """None where nothing was promised."""
        return {1: self.one_thread, 2: self.two_threads}.get(threads, {}).get(drift)


def _per_drift(*values: float) -> PerDrift:
    return dict(zip(DRIFTS, values, strict=True))


GOALS = (
    Goal(
        "step-format",
        "train step, PyTorch's better memory format",
        ("resnet26",),
        _per_drift(1.0, 1.4, 1.8, 1.0),
        _per_drift(1.0, 1.4, 2.0, 1.0),
    ),
    Goal(
        "step-eager",
        "train step, PyTorch as it comes",
        ("resnet26",),
        _per_drift(1.25, 1.8, 2.3, 1.25),
        _per_drift(1.25, 1.8, 2.3, 1.25),
    ),
    Goal(
        "training",
        "a whole training, PyTorch's better memory format",
        ("resnet26",),
        _per_drift(1.0, 2.0, 12.0, 1.0),
        _per_drift(1.0, 2.0, 12.0, 1.0),
    ),
    Goal(
        "training-memory",
        "peak memory of a whole training, PyTorch",
        ("resnet26",),
        _per_drift(3.0, 3.0, 4.0, 2.2),
        _per_drift(2.2, 2.5, 4.0, 1.8),
    ),
    Goal("step-peer", "train step, best peer", LARGE, _per_drift(1.0, 1.3, 1.5, 1.0), _per_drift(1.0, 1.3, 1.5, 1.0)),
    Goal("step-memory", "peak memory, best peer", LARGE, _per_drift(2, 2, 2, 2), _per_drift(2, 2, 2, 2)),
)
