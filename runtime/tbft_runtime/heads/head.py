"""A linear head, and one that was made of labelled images together with what it would say of each without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# What a length or a deviation is at least where it divides.
TINY = 1e-6


@dataclass(frozen=True)
class Head:
    """`weight` (K, F) and `bias` (K,), float32, as a network's last layer has them."""

    weight: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, weight: np.ndarray, bias: np.ndarray) -> Head:
        """The same in float32."""
        return cls(np.ascontiguousarray(weight, np.float32), np.ascontiguousarray(bias, np.float32))

    @property
    def classes(self) -> int:
        return len(self.bias)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """features (n, F) -> (n, K), in double."""
        logits: np.ndarray = features.astype(np.float64) @ self.weight.T.astype(np.float64) + self.bias
        return logits

    def scaled(self, factor: float) -> Head:
        """A head that answers the same, surer by `factor`."""
        return Head.of(self.weight * factor, self.bias * factor)


@dataclass(frozen=True)
class Fit:
    """A head, and `left_out` (n, K): the logits of each image by a head that was made in the same way of all others.

    A class that no other image is of has -inf there: such a head could not say it.
    """

    head: Head
    left_out: np.ndarray


def members(labels: np.ndarray, classes: int) -> np.ndarray:
    """(n, K): 1 where an image is of a class. labels (n,), 0 to K - 1."""
    chosen: np.ndarray = np.eye(classes)[labels]
    return chosen


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1, in double; zeros stay."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    scaled: np.ndarray = rows / np.maximum(lengths, TINY)
    return scaled


def alone(labels: np.ndarray, classes: int) -> np.ndarray:
    """(n,) bool: is an image the only one of its class? labels (n,), 0 to K - 1."""
    only: np.ndarray = np.bincount(labels, minlength=classes)[labels] == 1
    return only
