"""Pictures that can be told apart: of each class waves of a direction, a length and colours of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.zoo.networks import CLASSES

_NOISE = 24.0


def save(path: Path, count: int, size: int, seed: int) -> Path:
    """Write an .npz of `pictures`."""
    images, labels = pictures(count, size, seed)
    np.savez(path, images=images, labels=labels)
    return path


def pictures(count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(images (count, size, size, 3) uint8, labels (count,)), with each class as often as others."""
    own, rng = np.random.default_rng(0), np.random.default_rng(seed)
    directions = own.uniform(-8, 8, (CLASSES, 2))
    colours = own.uniform(-70, 70, (CLASSES, 3))
    labels = rng.permutation(np.arange(count) % CLASSES)
    rows, columns = np.arange(size)[:, None] / size, np.arange(size) / size
    phase = 2 * np.pi * rng.random((count, 1, 1))
    down, across = (directions[labels, axis][:, None, None] for axis in (0, 1))
    waves = np.sin(2 * np.pi * (down * rows + across * columns) + phase)
    images = 128 + waves[..., None] * colours[labels][:, None, None] + _NOISE * rng.standard_normal((*waves.shape, 3))
    return images.clip(0, 255).astype(np.uint8), labels
