"""What images of a domain look like, how far a window of images is from it, and how far is too far.

Domains are told apart by a Gaussian for each (quadratic discriminant analysis), whose covariance is shrunk towards that
of the source domain, as are the distances of a window's mean: Mahalanobis's, in units of what the mean of so many
images of the domain would scatter by.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

# Windows of a domain's own images that are said to fit no domain, as far as its images tell.
FALSE_ALARMS = 0.01
# With fewer images the covariance is as good as that of the source domain, and nobody knows how distances scatter.
FEWEST = 32


@dataclass(frozen=True)
class Statistics:
    """Of the D numbers that describe an image: mean (D,), shrunk covariance (D, D), and how many `images` told.

    `level` and `spread` are mean and variance of the squared distances of single images that mean and covariance do not
    know: D and 2 D for a Gaussian, more for whatever has longer tails.
    """

    mean: np.ndarray
    covariance: np.ndarray
    images: int
    level: float
    spread: float

    def __post_init__(self) -> None:
        """Raises numpy.linalg.LinAlgError for a covariance that is none."""
        np.linalg.cholesky(self.covariance)

    @cached_property
    def _precision(self) -> np.ndarray:
        return np.linalg.inv(self.covariance)

    @cached_property
    def _volume(self) -> float:
        """Logarithm of the determinant of the covariance."""
        return 2 * float(np.log(np.diagonal(np.linalg.cholesky(self.covariance))).sum())

    @classmethod
    def of(cls, described: np.ndarray, source: np.ndarray) -> Statistics:
        """From images (N, D), and the covariance of the source domain (D, D), which counts as D more images.

        Either half of the images is held against the other, so that distances are those of images that come later.
        """
        halves = described[::2], described[1::2]
        found = np.concatenate(
            [_distances(_fitted(ours, source), theirs, len(ours)) for ours, theirs in (halves, halves[::-1])]
        )
        mean, covariance = _fitted(described, source)
        return cls(mean, covariance, len(described), float(found.mean()), float(found.var()))

    def distance(self, window: np.ndarray) -> float:
        """Squared distance of the mean of a window (W, D)."""
        away = window.mean(axis=0) - self.mean
        return float(away @ self._precision @ away) / (1 / len(window) + 1 / self.images)

    def unlikeliness(self, window: np.ndarray) -> float:
        """-2 log likelihood of the window's mean, but for what is the same for every domain."""
        return self.distance(window) + self._volume

    def limit(self, window: int, chance: float = FALSE_ALARMS) -> float:
        """The distance that a window of so many images of the domain exceeds with that chance.

        Means of images that are no Gaussian cloud become one: of the variance of distances only that of a Gaussian
        stays. They are taken for gamma distributed, with the quantile of Wilson and Hilferty (1931).
        """
        gaussian = 2 * self.level**2 / len(self.mean)
        variance = gaussian + max(0.0, self.spread - gaussian) / window
        freedom = 2 * self.level**2 / variance
        share = 2 / (9 * freedom)
        return self.level * float(max(0.0, 1 - share + NormalDist().inv_cdf(1 - chance) * math.sqrt(share))) ** 3


def of_source(
    covariance: np.ndarray, images: int, others: Sequence[Statistics] = (), tails: tuple[float, float] | None = None
) -> Statistics:
    """Those of the source domain, of which the bundle has a covariance (D, D), and perhaps `tails`: level and spread.

    Without these its tails are as long as those of the `others`, or else as a Gaussian's.
    """
    size = len(covariance)
    if tails is None:
        parts = [other.spread / other.level**2 for other in others]
        tails = float(size), size**2 * float(np.mean(parts)) if parts else 2.0 * size
    return Statistics(np.zeros(size), covariance, images, *tails)


def route(domains: Sequence[Statistics], window: np.ndarray) -> tuple[int, bool]:
    """Which of the domains a window (W, D) is likeliest of, and whether it fits that one."""
    nearest = min(range(len(domains)), key=lambda number: domains[number].unlikeliness(window))
    found = domains[nearest]
    return nearest, found.distance(window) <= found.limit(len(window))


def _fitted(described: np.ndarray, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and covariance with that of the source counting as D more images."""
    mean = described.mean(axis=0)
    left, size = described - mean, len(source)
    return mean, (left.T @ left + size * source) / (len(described) + size)


def _distances(fitted: tuple[np.ndarray, np.ndarray], described: np.ndarray, images: int) -> np.ndarray:
    """Squared distances of single images (N, D) to what was fitted to so many others."""
    away = described - fitted[0]
    found: np.ndarray = np.einsum("ni,ij,nj->n", away, np.linalg.inv(fitted[1]), away) / (1 + 1 / images)
    return found
