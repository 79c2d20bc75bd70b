"""Mirrored and shifted copies of the images to train on, others in each epoch, and always the same ones again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.random import default_rng  # numpy would load it in the middle of a run

from tbft_runtime.run.options import Augmentation

# An image is shifted by up to this part of its side.
SHIFT = 8
# No seed of an order of images, which has two numbers, is like one that ends so.
_OWN = 1


def augmented(pixels: np.ndarray, kinds: Collection[Augmentation], seeds: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Each image mirrored left to right or not, and shifted by up to an eighth of its sides, as its seed decides.

    pixels (N, H, W, C) uint8 -> the same shape, a copy. `seeds` are (the run's, number of the epoch, number of the
    image), so that an image is changed alike in whichever batch, and by whichever process. What comes in at an edge is
    the image reflected there: a mean would be an edge that no photo has.
    """
    _, height, width, _ = pixels.shape
    down, right = (height // SHIFT, width // SHIFT) if "shift" in kinds else (0, 0)
    padded = np.pad(pixels, ((0, 0), (down, down), (right, right), (0, 0)), mode="reflect")
    result = np.empty_like(pixels)
    for index, seed in enumerate(seeds):
        rng = default_rng((*seed, _OWN))
        # All three are drawn whatever is asked for, so that a kind changes nothing of the other one.
        mirror = bool(rng.integers(2)) and "flip" in kinds
        top, left = int(rng.integers(2 * down + 1)), int(rng.integers(2 * right + 1))
        piece = padded[index, top : top + height, left : left + width]
        result[index] = piece[:, ::-1] if mirror else piece
    return result
