"""Labelled images as the compiler is given them, and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from tbft_artifacts.manifest import Manifest

BATCH_SIZE = 32


class LabelledImages(Protocol):
    """Images with a label each, in a fixed order."""

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64."""

    def images(self, indices: np.ndarray) -> np.ndarray:
        """The model's input (n, C, H, W) float32 for indices (n,)."""


# Reads images as the manifest says, which has no plan yet: its class names, shape and preprocessing.
ImageReader = Callable[[Manifest], LabelledImages]


def batches(indices: np.ndarray) -> Iterator[np.ndarray]:
    """Batches of indices, in order; the last may be short."""
    for start in range(0, len(indices), BATCH_SIZE):
        yield indices[start : start + BATCH_SIZE]
