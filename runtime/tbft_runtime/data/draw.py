"""A few labelled images that stand for all."""

from __future__ import annotations

import numpy as np
from numpy.random import default_rng

from tbft_runtime.data.split import stratified_split


def drawn(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices into labels (N,), at most `count`, in random order: of every class as many as it is large."""
    chosen = np.arange(len(labels))
    if len(labels) > count:
        _, chosen = stratified_split(labels, count / len(labels), seed)
    return default_rng(seed).permutation(chosen)[:count]
