"""Images printed on rubber (Simard, Steinkraus & Platt 2003; as in Hendrycks & Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tbft_runtime.corruptions.corruption import drawn
from tbft_runtime.corruptions.sampling import bilinear
from tbft_runtime.corruptions.separable import blurred


@dataclass(frozen=True)
class ElasticTransform:
    """A random affine map, then a random smooth displacement; all three lengths as parts of the shorter side.

    The affine map moves three corners of a square in the middle by U(−affine, affine) in each direction.
    The displacement is U(−1, 1) for each pixel, blurred with a Gaussian of `sigma`, times `alpha`.
    """

    alpha: float
    sigma: float
    affine: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        height, width = images.shape[1:3]
        side = min(height, width)
        moved = drawn(rngs, lambda rng: rng.uniform(-1, 1, (3, 2))) * (self.affine * side)
        images = bilinear(images, *_affine_places(height, width, moved), "reflect")
        fields = drawn(rngs, lambda rng: rng.uniform(-1, 1, (2, height, width)))
        fields = blurred(fields, self.sigma * side, truncate=3, border="symmetric") * np.float32(self.alpha * side)
        rows = np.arange(height)[:, None] + fields[:, 0]
        columns = np.arange(width) + fields[:, 1]
        return bilinear(images, rows, columns, "symmetric")


def _affine_places(height: int, width: int, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel comes from, rows and columns (N, H, W), if three points move by `moved` (N, 3, 2) pixels."""
    centre = np.array([height // 2, width // 2])
    reach = max(min(height, width) // 3, 1)
    points = centre + reach * np.array([[1, 1], [-1, 1], [-1, -1]])
    # What carries the moved points back: [row, column, 1] · back = [row, column].
    ends = np.concatenate([points + moved.astype(np.float64), np.ones((len(moved), 3, 1))], axis=2)
    back = np.linalg.solve(ends, np.broadcast_to(points.astype(np.float64), (len(moved), 3, 2)))[:, :, None, None]
    down, right = np.arange(height)[:, None], np.arange(width)
    rows = back[:, 0, ..., 0] * down + back[:, 1, ..., 0] * right + back[:, 2, ..., 0]
    columns = back[:, 0, ..., 1] * down + back[:, 1, ..., 1] * right + back[:, 2, ..., 1]
    return rows, columns
