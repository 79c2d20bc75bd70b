"""What a new head could make of the last features, told by leaving each image out once.

A trained network gathers the features of a class around their mean (neural collapse: Papyan, Han and Donoho, PNAS
2020), so nearest class means are about as good a head as any. Other labels, or a broken head, leave that as it is.
Where the features themselves drift, classes are no longer one cloud each: a fitted head finds more than their means.
"""

from __future__ import annotations

import numpy as np

# Of the fitted head, against features of unit variance that are scaled to unit length.
RIDGE = 0.3
_TINY = 1e-6


def right_by_class_means(features: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(n,) bool: is the nearest class mean of the others the right one? features (n, d), labels (n,) within range.

    Features are scaled to unit length. The only image of its class has no mean to be near to, and is wrong.
    """
    unit = _unit(features)
    members = np.eye(classes)[labels]
    sums, counts = members.T @ unit, members.sum(axis=0)
    means = sums / np.maximum(counts, 1)[:, None]
    # To the mean of every other class from all its images, and of the own one from the others.
    distances = (means**2).sum(axis=1) - 2 * unit @ means.T + (unit**2).sum(axis=1, keepdims=True)
    distances[:, counts == 0] = np.inf
    others = counts[labels] - 1
    own = (sums[labels] - unit) / np.maximum(others, 1)[:, None]
    distances[np.arange(len(labels)), labels] = np.where(others > 0, ((unit - own) ** 2).sum(axis=1), np.inf)
    right: np.ndarray = distances.argmin(axis=1) == labels
    return right


def right_by_fitted_head(features: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(n,) bool: is a linear head right that was fitted to the others? features (n, d), labels (n,) within range.

    Ridge regression on one-hot labels, whose leave-one-out answers have a closed form.
    """
    centered = features.astype(np.float64) - features.mean(axis=0)
    scaled = centered / (centered.std(axis=0) + _TINY) / np.sqrt(features.shape[1])
    kernel = scaled @ scaled.T + 1  # One more feature, always 1: the bias.
    hat = kernel @ np.linalg.inv(kernel + RIDGE * np.eye(len(labels)))
    wanted = np.eye(classes)[labels]
    own = np.diag(hat)[:, None]
    right: np.ndarray = ((hat @ wanted - own * wanted) / (1 - own)).argmax(axis=1) == labels
    return right


def standard_errors(right: np.ndarray, other: np.ndarray) -> float:
    """By how many standard errors `right` (n,) bool is right more often than `other` on the same images.

    As in McNemar's test only images count on which they differ; without any, 0.
    """
    more, less = int((right & ~other).sum()), int((other & ~right).sum())
    return (more - less) / max(1.0, float(np.sqrt(more + less)))


def learned_by_class_means(
    features: np.ndarray, labels: np.ndarray, others: np.ndarray, their_labels: np.ndarray, classes: int
) -> np.ndarray:
    """(m,) bool: is the nearest class mean of `features` (n, d) the right one for `others` (m, d)?"""
    members = np.eye(classes)[labels]
    counts = members.sum(axis=0)
    means = members.T @ _unit(features) / np.maximum(counts, 1)[:, None]
    distances = (means**2).sum(axis=1) - 2 * _unit(others) @ means.T
    distances[:, counts == 0] = np.inf
    right: np.ndarray = distances.argmin(axis=1) == their_labels
    return right


def _unit(features: np.ndarray) -> np.ndarray:
    """Rows of length 1; zeros stay."""
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    unit: np.ndarray = features / np.maximum(lengths, _TINY)
    return unit
