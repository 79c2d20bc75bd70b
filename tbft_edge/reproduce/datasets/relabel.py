"""Drifts of the output: the images stay, their labels change.

Each is a permutation of the classes: labels (N,) from 0 to `classes` − 1 -> as many.
"""

from __future__ import annotations

import numpy as np


def flip(labels: np.ndarray, classes: int) -> np.ndarray:
    """y -> classes − 1 − y, the paper's Cifar-Flip."""
    return classes - 1 - labels


def cyclic(labels: np.ndarray, classes: int) -> np.ndarray:
    """y -> y + 1, and the last class becomes the first."""
    return (labels + 1) % classes


def swap_pairs(labels: np.ndarray, classes: int) -> np.ndarray:
    """0 <-> 1, 2 <-> 3 and so on; of an odd number of classes the last stays."""
    partner = labels ^ 1
    return np.where(partner < classes, partner, labels)


def permutation(labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Each class becomes another, or the same, by chance from `seed`."""
    shuffled: np.ndarray = np.random.default_rng(seed).permutation(classes)[labels]
    return shuffled
