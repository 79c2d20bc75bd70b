"""What is known of images that are not there: how many of each class, their mean features, and one second moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_runtime.heads.head import members


@dataclass(frozen=True)
class SourceMoments:
    """`counts` (K,) images of each class, `means` (K, F) of their features, and `second`, all in double.

    `second` is the mean of f fᵀ over all images, not centred, (F, F); where that is too large its diagonal, (F,).
    Moments of more images are sums, so a device adds its own: also a class that the source did not have.
    """

    counts: np.ndarray
    means: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, labels: np.ndarray, classes: int, diagonal: bool = False) -> SourceMoments:
        """Those of features (n, F) with labels (n,) below `classes`."""
        size = features.shape[1]
        nothing = np.zeros(size if diagonal else (size, size))
        return cls(np.zeros(classes), np.zeros((classes, size)), nothing).joined(features, labels, classes)

    @property
    def classes(self) -> int:
        return len(self.counts)

    @property
    def images(self) -> int:
        return int(self.counts.sum())

    @property
    def center(self) -> np.ndarray:
        """(F,) mean of the class means, every class alike."""
        center: np.ndarray = self.means[self.counts > 0].mean(axis=0)
        return center

    def joined(self, features: np.ndarray, labels: np.ndarray, classes: int) -> SourceMoments:
        """With the images of features (n, F) and labels (n,) too, for `classes`: as many as there are, or more."""
        rows = features.astype(np.float64)
        chosen = members(labels, classes)
        more = classes - self.classes
        before = np.pad(self.counts.astype(np.float64), (0, more))
        counts = before + chosen.sum(axis=0)
        sums = np.pad(self.means.astype(np.float64), ((0, more), (0, 0))) * before[:, None] + chosen.T @ rows
        products = rows.T @ rows if self.second.ndim == 2 else (rows**2).sum(axis=0)
        second = (self.second.astype(np.float64) * self.images + products) / max(1, self.images + len(rows))
        return SourceMoments(counts, sums / np.maximum(counts, 1)[:, None], second)

    def within(self) -> np.ndarray:
        """The covariance of features within a class, one for all, shaped as `second`; not below 0 on its diagonal."""
        shares = self.counts / self.images
        weighted = self.means * shares[:, None]
        between = weighted.T @ self.means if self.second.ndim == 2 else (weighted * self.means).sum(axis=0)
        free = max(1, self.images - int((self.counts > 0).sum()))
        covariance: np.ndarray = (self.second - between) * (self.images / free)
        return np.maximum(covariance, 0) if covariance.ndim == 1 else covariance


@dataclass(frozen=True)
class KeptFeatures:
    """Features (m, F) of some source images and their labels (m,): what a head that is made without them does to them.

    Images drawn from moments cannot say it: features of a class are no Gaussian cloud.
    """

    features: np.ndarray
    labels: np.ndarray
