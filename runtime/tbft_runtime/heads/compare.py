"""Which of two heads is right more often."""

from __future__ import annotations

import numpy as np


def standard_errors(right: np.ndarray, other: np.ndarray) -> float:
    """By how many standard errors `right` (n,) bool is right more often than `other` on the same images.

    As in McNemar's test only images count on which they differ; without any, 0.
    """
    more, less = int((right & ~other).sum()), int((other & ~right).sum())
    return (more - less) / max(1.0, float(np.sqrt(more + less)))
