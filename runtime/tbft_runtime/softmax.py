"""Logits as probabilities, in double: how likely each class is, and what a label costs."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits (…, classes), likewise shaped."""
    exponents = np.exp(_shifted(logits))
    probabilities: np.ndarray = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """-log softmax(logits)[…, label]: logits (N, …, classes), labels (N, …) that may broadcast -> (N, …)."""
    shifted = _shifted(logits)
    own = np.take_along_axis(shifted, labels[..., np.newaxis], axis=-1)[..., 0]
    losses: np.ndarray = np.log(np.exp(shifted).sum(axis=-1)) - own
    return losses


def _shifted(logits: np.ndarray) -> np.ndarray:
    """The same with 0 for the largest, so that no exponential overflows."""
    with np.errstate(invalid="ignore"):  # Of infinite logits come no numbers, which whoever asked for them tells.
        shifted: np.ndarray = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted
