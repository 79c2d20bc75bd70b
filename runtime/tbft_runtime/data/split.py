"""Hold out a part of the labelled images for validation."""

from __future__ import annotations

import numpy as np
from numpy.random import default_rng  # numpy would load it in the middle of a run


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
