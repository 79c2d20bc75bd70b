"""How far activation statistics moved, norm by norm, against the running statistics of the source model.

One pass in batch mode: every norm sees inputs that the norms before it have normalised again. So a norm shows
mostly what came in since the one before, and the first that moved tells where the drift begins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import DivergedError
from tbft_artifacts.manifest import BatchNorm
from tbft_runtime.graphs.lanes import in_lanes
from tbft_runtime.graphs.pooled import batch_statistic
from tbft_runtime.graphs.sessions import Graph, Tensors
from tbft_runtime.run.state import Arrays

# Their spread tells what sampling adds; more of them would make each too small to normalise by.
GROUPS = 4
# What a batch norm itself adds to a variance.
EPSILON = 1e-5


@dataclass(frozen=True)
class Shift:
    """`distance`: squared shift, without what sampling adds on average; `noise`: what it adds, squared too."""

    distance: float
    noise: float


def group_statistics(
    graph: Graph,
    norms: Sequence[BatchNorm],
    groups: Sequence[np.ndarray],
    threads: int,
    on_images: Callable[[int], None] = lambda _: None,
) -> Arrays:
    """Mean and variance of every norm's input, by name, each (G, C): a row for each group of images (n, C, H, W)."""

    def measured(images: np.ndarray) -> dict[str, np.ndarray]:
        return graph.run({graph.inputs[0]: images})

    outputs = in_lanes(threads, measured, groups)
    on_images(sum(map(len, groups)))
    names = [name for norm in norms for name in (norm.mean, norm.variance)]
    return {name: np.stack([batch_statistic(output, name) for output in outputs]) for name in names}


def reestimated(statistics: Arrays) -> Arrays:
    """One mean and variance of each, float32 (C,), over groups (G, C) of nearly equal size."""
    return {name: rows.mean(axis=0, dtype=np.float64).astype(np.float32) for name, rows in statistics.items()}


def norm_shift(norm: BatchNorm, statistics: Arrays, source: Tensors) -> Shift:
    """The shift of one norm's input.

    Per channel, with running mean m and variance v, and the groups' means M and variances V:

        distance = ((mean(M) - m)^2 / v  +  mean(log(V / v))^2)  -  noise
        noise    = var(M) / (G v)  +  var(log V) / G

    and the mean over channels of each. The groups' spread is that of their averages, so that `distance` is zero
    on average for images like those of the source, however few there are, and however alike pixels of one image are.
    """
    variance = source[norm.variance].astype(np.float64) + EPSILON
    with np.errstate(all="ignore"):  # What comes of variances below 0 is told below.
        means = (statistics[norm.mean] - source[norm.mean]) / np.sqrt(variance)
        logs = np.log((statistics[norm.variance] + EPSILON) / variance)
    noise = sum(float((rows.var(axis=0, ddof=1) / len(rows)).mean()) for rows in (means, logs))
    moved = sum(float((rows.mean(axis=0) ** 2).mean()) for rows in (means, logs))
    if not math.isfinite(moved + noise):
        raise DivergedError(
            f"what comes to batch norm '{norm.mean}' is infinite or no number", "export the bundle again"
        )
    return Shift(distance=moved - noise, noise=noise)
