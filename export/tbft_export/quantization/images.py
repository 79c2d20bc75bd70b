"""The images that a prefix is calibrated with, and others that its accuracy is measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest

# More hardly widen the range of any activation.
MOST_CALIBRATION = 256
CALIBRATION_SHARE = 1 / 3
BATCH = 32


class LabelledImages(Protocol):
    """Images with a label each, in a fixed order."""

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64."""

    def images(self, indices: np.ndarray) -> np.ndarray:
        """The model's input (n, 3, S, S) float32 for indices (n,)."""


# Reads images as the manifest says, which has no plan yet: its class names, image size and preprocessing.
ImageReader = Callable[[Manifest], LabelledImages]


@dataclass(frozen=True)
class Split:
    """Indices of images: none is in both."""

    calibration: np.ndarray
    measured: np.ndarray


def split(images: int) -> Split:
    """Always the same random split of that many images: a third, but not more than needed, calibrates.

    Raises TbftError if there are not enough for both parts.
    """
    if images < 2:
        raise TbftError(
            f"{images} labelled images are too few to calibrate an int8 prefix and to measure it",
            "give a few hundred with --calibration",
        )
    calibration = min(MOST_CALIBRATION, max(1, int(images * CALIBRATION_SHARE)))
    order = np.random.default_rng(0).permutation(images)
    return Split(np.sort(order[:calibration]), np.sort(order[calibration:]))


def batches(indices: np.ndarray) -> Iterator[np.ndarray]:
    """Batches of indices, in order; the last may be short."""
    for start in range(0, len(indices), BATCH):
        yield indices[start : start + BATCH]
