"""The order in which images are trained on: a function of the seed alone, so that other engines can train alike."""

from __future__ import annotations

import numpy as np
from numpy.random import default_rng  # numpy would load it in the middle of a run


def shuffled(indices: np.ndarray, batch_size: int, seed: tuple[int, int]) -> list[np.ndarray]:
    """`indices` (n,) in an order that `seed` decides, cut into batches; the last may be short.

    A run's seeds are (its own, number of the epoch), counted from 1; 0 re-estimates batch-norm statistics.
    """
    return in_batches(default_rng(seed).permutation(indices), batch_size)


def in_batches(indices: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """`indices` (n,) cut into batches, in order; the last may be short."""
    return [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
