"""Linear discriminant analysis from moments: class means under one covariance (Fisher, 1936).

Of a class that the network was not trained for it needs a few photos, and of all others their moments alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_runtime.heads.head import TINY, Fit, Head
from tbft_runtime.heads.moments import SourceMoments

# A mean of n images is off by the covariance over n, which takes F / 2n off the logits of its class on average. Given
# back in full, few images make a new class too likely: the old ones lose what it gains, and more.
GIVEN_BACK = 0.5


def lda(source: SourceMoments, features: np.ndarray, labels: np.ndarray, classes: int) -> Fit:
    """Of the source's images and those of features (n, F) with labels (n,) together; every class must have one.

    Logits are log-likelihoods, less that of one cloud around the mean of all classes. Where an image is left out its
    class has the mean of the others; the covariance, of all images, stays.
    """
    moments = source.joined(features, labels, classes)
    metric = Metric.of(moments)
    weight, bias = metric.rows(moments.means, moments.counts)
    head = Head.of(weight, bias)
    left_out = head.logits(features)
    counts = moments.counts[labels]
    others = (moments.means[labels] * counts[:, None] - features) / np.maximum(counts - 1, 1)[:, None]
    own_weight, own_bias = metric.rows(others, np.maximum(counts - 1, 1))
    own = (features * own_weight).sum(axis=1) + own_bias
    left_out[np.arange(len(labels)), labels] = np.where(counts > 1, own, -np.inf)
    return Fit(head, left_out)


@dataclass(frozen=True)
class Metric:
    """The inverse of the covariance within a class, (F, F) or (F,), and the point that logits are measured from.

    The covariance is shrunk towards the same variance everywhere, as if that had been seen on as many images as there
    are features: few images cannot tell a direction in which nothing varies from one that they did not meet.
    `size` is how many features are left of F then: the expected square of an image's distance to its own class's mean.
    """

    precision: np.ndarray
    center: np.ndarray
    size: float

    @classmethod
    def of(cls, moments: SourceMoments) -> Metric:
        within, count = moments.within(), len(moments.center)
        shrinkage = count / (count + moments.images)
        flat = within.ndim == 1
        level = max(TINY, float((within if flat else np.diag(within)).mean()))
        shrunk = within * (1 - shrinkage) + shrinkage * level * (1 if flat else np.eye(count))
        try:
            precision = 1 / shrunk if flat else np.linalg.inv(shrunk)
        except np.linalg.LinAlgError as error:
            raise TbftError(
                "moments of the source are none of features: their covariance has no inverse",
                "do not trust the bundle, or export it again",
            ) from error
        return cls(precision, moments.center, float((precision * within).sum()))

    def rows(self, means: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weight and bias of rows for class means (m, F) of `counts` (m,) images each."""
        away = means - self.center
        weight = away * self.precision if self.precision.ndim == 1 else away @ self.precision
        bias = -(weight * (means + self.center)).sum(axis=1) / 2 + GIVEN_BACK * self.size / counts / 2
        return weight, bias
