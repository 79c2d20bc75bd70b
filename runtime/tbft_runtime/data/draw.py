"""What is drawn at random, always alike: a few images that stand for all, those held out, and the order of training.

Functions of the seed alone, so that other engines can train alike.
"""

from __future__ import annotations

import numpy as np
from numpy.random import default_rng  # numpy would load it in the middle of a run


def drawn(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices into labels (N,), at most `count`, in random order: of every class as many as it is large."""
    chosen = np.arange(len(labels))
    if len(labels) > count:
        _, chosen = stratified_split(labels, count / len(labels), seed)
    return default_rng(seed).permutation(chosen)[:count]


def stratified_split(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, validation), each sorted; about `fraction` of every class is held out.

    labels (N,) -> two index arrays. A class of at least two images has at least one in each part.
    """
    rng = default_rng(seed)
    held_out = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        count = round(fraction * len(members))
        if len(members) > 1:
            count = min(max(count, 1), len(members) - 1)
        held_out.append(members[:count])
    validation = np.sort(np.concatenate(held_out)) if held_out else np.array([], np.int64)
    train = np.setdiff1d(np.arange(len(labels)), validation)
    return train, validation


def shuffled(indices: np.ndarray, batch_size: int, seed: tuple[int, int]) -> list[np.ndarray]:
    """`indices` (n,) in an order that `seed` decides, cut into batches; the last may be short.

    A run's seeds are (its own, number of the epoch), counted from 1; 0 re-estimates batch-norm statistics.
    """
    return in_batches(default_rng(seed).permutation(indices), batch_size)


def in_batches(indices: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """`indices` (n,) cut into batches, in order; the last may be short."""
    return [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
