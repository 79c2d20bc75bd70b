"""How sure a head may be: the scale of its logits under which images that were left out are likeliest."""

from __future__ import annotations

import numpy as np

from tbft_runtime.heads.head import members
from tbft_runtime.softmax import softmax

_STEPS = 60
_RANGE = 1e4


def likeliest_scale(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """The factor for `logits` (n, K) of left-out images, finite or -inf, with labels (n,); None if nothing can tell.

    Temperature scaling (Guo et al., ICML 2017) with the targets of Platt (1999), one of n + 2 images taken for wrong:
    few images that are all right do not make a head sure without bound. The likelihood has one maximum.
    """
    kept = np.isfinite(logits).all(axis=1)
    logits, labels = logits[kept], labels[kept]
    count, classes = logits.shape
    apart = spread(logits)
    if apart == 0:
        return None
    doubt = 1 / (count + 2)
    own = members(labels, classes)
    wanted = own * (1 - doubt) + (1 - own) * doubt / (classes - 1)
    low, high = 1 / _RANGE / apart, _RANGE / apart
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        rising = ((softmax(logits * middle) - wanted) * logits).sum() < 0
        low, high = (middle, high) if rising else (low, middle)
    return middle


def spread(logits: np.ndarray) -> float:
    """How far the logits (n, K) of an image are apart, as a standard deviation; 0 without images."""
    return float(np.std(logits - logits.mean(axis=1, keepdims=True))) if len(logits) else 0.0
