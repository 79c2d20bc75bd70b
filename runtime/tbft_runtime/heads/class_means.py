"""The nearest class mean as a head.

A trained network gathers the features of a class around their mean (neural collapse: Papyan, Han and Donoho, PNAS
2020), so nearest class means are about as good a head as any. Other labels, or a broken head, leave that as it is.
Where the features themselves drift, classes are no longer one cloud each: a fitted head finds more than their means.
"""

from __future__ import annotations

import numpy as np

from tbft_runtime.heads.head import Fit, Head, alone, members, unit


def class_means(features: np.ndarray, labels: np.ndarray, classes: int) -> Fit:
    """By the angle to the means of features of unit length, as that is linear in the features (Qi et al., CVPR 2018).

    features (n, F), labels (n,) with every class of 0 to K - 1. Logits have no scale yet: they are a feature's length
    times a cosine.
    """
    rows = unit(features)
    sums, _, own = _left_out(rows, labels, classes)
    directions = unit(sums)
    left_out = features.astype(np.float64) @ directions.T
    by_others = (features * unit(own)).sum(axis=1)
    left_out[np.arange(len(labels)), labels] = np.where(alone(labels, classes), -np.inf, by_others)
    return Fit(Head.of(directions, np.zeros(classes)), left_out)


def right_by_class_means(features: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(n,) bool: is the nearest class mean of the others the right one? features (n, F), labels (n,) within range.

    Features are scaled to unit length. The only image of its class has no mean to be near to, and is wrong.
    """
    rows = unit(features)
    sums, counts, own = _left_out(rows, labels, classes)
    means = sums / np.maximum(counts, 1)[:, None]
    # To the mean of every other class from all its images, and of the own one from the others.
    distances = (means**2).sum(axis=1) - 2 * rows @ means.T + (rows**2).sum(axis=1, keepdims=True)
    distances[:, counts == 0] = np.inf
    others = counts[labels] - 1
    own = own / np.maximum(others, 1)[:, None]
    distances[np.arange(len(labels)), labels] = np.where(others > 0, ((rows - own) ** 2).sum(axis=1), np.inf)
    right: np.ndarray = distances.argmin(axis=1) == labels
    return right


def learned_by_class_means(
    features: np.ndarray, labels: np.ndarray, others: np.ndarray, their_labels: np.ndarray, classes: int
) -> np.ndarray:
    """(m,) bool: is the nearest class mean of `features` (n, F) the right one for `others` (m, F)?"""
    sums, counts, _ = _left_out(unit(features), labels, classes)
    means = sums / np.maximum(counts, 1)[:, None]
    distances = (means**2).sum(axis=1) - 2 * unit(others) @ means.T
    distances[:, counts == 0] = np.inf
    right: np.ndarray = distances.argmin(axis=1) == their_labels
    return right


def _left_out(rows: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum (K, F) and number (K,) of the rows of each class, and (n, F) of a row's own class without it."""
    chosen = members(labels, classes)
    sums = chosen.T @ rows
    return sums, chosen.sum(axis=0), sums[labels] - rows
