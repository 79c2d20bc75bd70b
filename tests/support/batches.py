"""Seeded pictures with labels, as arrays that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tbft_runtime.training.targets import Targets

PATCHES = 4


@dataclass(frozen=True)
class Batch:
    """Images (N, C, H, W) float32 and labels (N,) int64; `targets` of the images, if they take the place of labels."""

    images: np.ndarray
    labels: np.ndarray
    targets: Targets | None = None

    def part(self, rows: np.ndarray) -> Batch:
        """Those images alone."""
        whole = self.targets
        part = whole and Targets(whole.targets[rows], whole.information[rows], whole.log_marginal)
        return Batch(self.images[rows], self.labels[rows], part)


def random_batches(sizes: Sequence[int], image_size: int, classes: int, seed: int) -> list[Batch]:
    """Per class a patchwork of 4 x 4 colours; each image varies its colours and adds pixel noise."""
    rng = np.random.default_rng(seed)
    prototypes = rng.standard_normal((classes, 3, PATCHES, PATCHES), np.float32)
    batches = []
    for size in sizes:
        labels = rng.integers(0, classes, size)
        colours = prototypes[labels] + 0.5 * rng.standard_normal((size, 3, PATCHES, PATCHES), np.float32)
        patch = np.ones((image_size // PATCHES, image_size // PATCHES), np.float32)
        noise = rng.standard_normal((size, 3, image_size, image_size), np.float32)
        batches.append(Batch(np.kron(colours, patch) + np.float32(0.1) * noise, labels))
    return batches
