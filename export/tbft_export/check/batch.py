"""The images that a train step is checked with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.manifest import Manifest

FEWEST = 2
MOST = 4
# Where images are large, few of them have as many activations.
PIXELS = MOST * 32 * 32
# A norm over fewer values per channel makes nearly the same numbers of everything.
VALUES = 8


@dataclass(frozen=True)
class CheckBatch:
    """images (N, C, H, W) float32 of noise, labels (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


def draw_batch(manifest: Manifest, classes: int, rng: np.random.Generator) -> CheckBatch:
    """As few images as every batch norm can do with, two at least: a loss is a mean over them."""
    smallest = min((norm.values for norm in manifest.batch_norms), default=VALUES)
    count = max(FEWEST, min(MOST, PIXELS // manifest.shape.pixels), math.ceil(VALUES / smallest))
    images = rng.standard_normal((count, *manifest.shape), np.float32)
    return CheckBatch(images, rng.integers(0, classes, count))
