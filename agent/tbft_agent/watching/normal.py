"""What the images of a model's domain look like, in numbers of each image."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tbft_artifacts.atomic import atomic_file
from tbft_runtime.domains.statistics import Statistics

# A class that so few images were answered with is taken for half of what it was and half of what all are.
_SHRINK = 8.0
_RIDGE = 1e-3
# What damaged archives, and arrays of other kinds, make numpy say.
_UNREADABLE = (
    *(OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, OverflowError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, np.linalg.LinAlgError),
)
_NUMBERS = ("means", "mean", "covariance", "images", "level", "spread")


@dataclass(frozen=True)
class Normal:
    """`means` (K, D) by the class that the model answers, and `statistics` of what is left of D numbers.

    A camera sees a few classes for hours: without the means a window of them would look like another domain.
    """

    means: np.ndarray
    statistics: Statistics

    def left(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """What is left (N, D) of the numbers (N, D) of images that were answered with classes `labels` (N,)."""
        found: np.ndarray = rows - self.means[labels]
        return found

    @classmethod
    def of_source(cls, statistics: Statistics, classes: int) -> Normal:
        """Of numbers from which the means of source images were taken already."""
        return cls(np.zeros((classes, len(statistics.mean))), statistics)

    @classmethod
    def learned(cls, rows: np.ndarray, labels: np.ndarray, classes: int, prior: np.ndarray | None = None) -> Normal:
        """From images that are normal: numbers (N, D) and answers (N,), N at least 32.

        `prior` (D, D) is a covariance that counts as D more images; without one each number stands for itself.
        """
        overall = rows.mean(axis=0)
        counts = np.bincount(labels, minlength=classes)[:, None]
        sums = np.zeros((classes, rows.shape[1]))
        np.add.at(sums, labels, rows)
        means = (sums + _SHRINK * overall) / (counts + _SHRINK)
        left = rows - means[labels]
        if prior is None:
            variance = left.var(axis=0)
            prior = np.diag(variance + _RIDGE * (float(variance.mean()) or 1.0))
        return cls(means, Statistics.of(left, prior))

    def write(self, path: Path) -> None:
        """Keep it in an `.npz` file, all or nothing."""
        found = self.statistics
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                means=self.means,
                mean=found.mean,
                covariance=found.covariance,
                images=found.images,
                level=found.level,
                spread=found.spread,
            )

    @classmethod
    def read(cls, path: Path, classes: int) -> Normal | None:
        """What `write` kept; None where it is not whole, or of other classes: it can be learned again."""
        try:
            with np.load(path, allow_pickle=False) as file:
                means, mean, covariance, images, level, spread = (file[name] for name in _NUMBERS)
            known = cls(means, Statistics(mean, covariance, int(images), float(level), float(spread)))
            size = mean.size
            fits = mean.shape == (size,) and means.shape == (classes, size) and covariance.shape == (size, size)
            numbers = (means, mean, covariance, images, level, spread)
            return (
                known if fits and known.statistics.images > 0 and all(np.isfinite(n).all() for n in numbers) else None
            )
        except _UNREADABLE:
            return None
