"""Random images that are the same for everyone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

BATCH_SEED = 0
# On random labels a usual rate diverges, and rounding would grow with it.
LR = 1e-4
MOMENTUM = 0.9


def pixels(count: int, image_size: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(images (count, S, S, 3) uint8, labels (count,) int64)."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, image_size, image_size, 3), dtype=np.uint8)
    return images, rng.integers(0, classes, count)


def normalized(images: np.ndarray) -> np.ndarray:
    """(N, S, S, 3) uint8 -> (N, 3, S, S) float32 in [-1, 1], as the built-in network's bundles order."""
    scaled = (images.astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def batch(count: int, image_size: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """(images (count, 3, S, S) float32, labels (count,)): the batch that is timed."""
    images, labels = pixels(count, image_size, classes, BATCH_SEED)
    return normalized(images), labels


def save(path: Path, count: int, image_size: int, classes: int, seed: int) -> Path:
    """Write an .npz of images and labels; every class occurs."""
    images, _ = pixels(count, image_size, classes, seed)
    np.savez(path, images=images, labels=np.arange(count) % classes)
    return path
