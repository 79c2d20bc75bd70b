"""Random crops and mirror images, as CIFAR-10 is commonly trained with."""

from __future__ import annotations

import numpy as np

# Pixels of black around an image before a piece of its old size is cut out of it.
PADDING = 4


def augmented(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image shifted by up to `PADDING` pixels each way, black coming in, and half of them mirrored.

    (N, S, S, 3) uint8 -> the same shape, a copy. `rng` decides shift and mirroring of each.
    """
    count, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)))
    shifts = rng.integers(0, 2 * PADDING + 1, (count, 2))
    mirrored = rng.integers(0, 2, (count,))
    result = np.empty_like(images)
    for index, ((down, right), mirror) in enumerate(zip(shifts, mirrored, strict=True)):
        piece = padded[index, down : down + height, right : right + width]
        result[index] = piece[:, ::-1] if mirror else piece
    return result


def augmentation_rng(seed: int, epoch: int) -> np.random.Generator:
    """The chance of an epoch, which the order of the images takes nothing of."""
    return np.random.default_rng((seed, epoch, 1))
