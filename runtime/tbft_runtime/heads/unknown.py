"""Is an image of no class that the head knows? By the logits alone.

The score is the free energy, -log of the sum of exp(logits) (Liu et al., NeurIPS 2020). For a head of `lda` that is a
likelihood: how much less an image looks like one of the classes than like a cloud around all of them.
"""

from __future__ import annotations

import numpy as np

# Of images of known classes that are called unknown.
FALSE_ALARMS = 0.05


def unknown_score(logits: np.ndarray) -> np.ndarray:
    """logits (n, K) -> (n,): the higher, the less an image is of any class."""
    largest = logits.max(axis=1).astype(np.float64)
    score: np.ndarray = -largest - np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return score


def unknown_threshold(logits: np.ndarray, false_alarms: float = FALSE_ALARMS) -> float:
    """The score that this part (0 to 1) of images of known classes exceed, from their logits (n, K).

    They should be images that neither network nor head was trained on: on those it was it is too sure, and false alarms
    come more often than stated.
    """
    return float(np.quantile(unknown_score(logits), 1 - false_alarms))
