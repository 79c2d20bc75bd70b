"""Which images to label first: typical ones of all kinds that there are.

From few labels a head learns most if those stand for many images (TypiClust: Hacohen, Dekel and Weinshall, ICML 2022).
Images that the model is least sure of, the usual choice where labels are many, are odd ones, and worse than any.
"""

from __future__ import annotations

import numpy as np
from numpy.random import default_rng

from tbft_runtime.heads.head import unit

_ROUNDS = 15


def typical(features: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count,) int: which of features (n, F) lie in the middle of `count` clusters, the largest cluster first.

    k-means on features of unit length, from k-means++ (Arthur and Vassilvitskii, 2007), which `seed` decides alone.
    `count` is at most n; no image comes twice, whatever is like what.
    """
    rows = unit(features).astype(np.float32)
    means = rows[_spread_out(rows, count, seed)]
    cluster = np.zeros(len(rows), int)
    for _ in range(_ROUNDS):
        before, cluster = cluster, _distances(rows, means).argmin(axis=1)
        for number in np.unique(cluster):
            means[number] = rows[cluster == number].mean(axis=0)
        if (cluster == before).all():
            break
    distances = _distances(rows, means)
    chosen = []
    for number in np.argsort(-np.bincount(cluster, minlength=count), kind="stable"):
        middle = int(distances[:, number].argmin())
        chosen.append(middle)
        distances[middle] = np.inf
    return np.array(chosen)


def _spread_out(rows: np.ndarray, count: int, seed: int) -> list[int]:
    """Indices of `count` different rows: each as likely as its squared distance to the nearest before it is large."""
    rng = default_rng(seed)
    chosen = [int(rng.integers(len(rows)))]
    free = np.ones(len(rows))
    nearest = np.full(len(rows), np.inf)
    while len(chosen) < count:
        free[chosen[-1]] = 0
        nearest = np.minimum(nearest, _distances(rows, rows[chosen[-1:]])[:, 0])
        # Rows that are like one before have a chance only where all are.
        chances = (nearest if (nearest * free).sum() > 0 else 1.0) * free
        chosen.append(int(rng.choice(len(rows), p=chances / chances.sum())))
    return chosen


def _distances(rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Squared distances (n, m)."""
    squares = (rows**2).sum(axis=1, keepdims=True) - 2 * rows @ means.T + (means**2).sum(axis=1)
    distances: np.ndarray = np.maximum(squares, 0).astype(np.float64)
    return distances
