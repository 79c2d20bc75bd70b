"""Features of classes, as a trained network has them: a cloud around a mean for each."""

from __future__ import annotations

import numpy as np

from tbft_runtime.heads.head import Head


def centers(seed: int, classes: int, size: int = 6) -> np.ndarray:
    """(K, F) means, of about unit variance."""
    return np.random.default_rng(seed).normal(0, 1, (classes, size))


def around(means: np.ndarray, labels: np.ndarray, seed: int, spread: float = 0.5) -> np.ndarray:
    """(n, F) float32: a feature of each class of labels (n,)."""
    noise = np.random.default_rng(seed).normal(0, spread, (len(labels), means.shape[1]))
    features: np.ndarray = (means[labels] + noise).astype(np.float32)
    return features


def head_of(means: np.ndarray, spread: float = 0.5) -> Head:
    """The best head for such features, (K, F) and (K,)."""
    return Head.of(means / spread**2, -(means**2).sum(axis=1) / 2 / spread**2)
