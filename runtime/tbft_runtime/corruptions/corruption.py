"""What a corruption is, and how it draws at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np


class Corruption(Protocol):
    """Damages images in one way, at one strength: its fields are the parameters, its call the formula."""

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        """images (N, H, W, 3) float32 in [0, 1], a generator for each -> as many, of that shape.

        The result may leave [0, 1] and is clipped later. That of an image depends on itself and its
        generator, not on the others of the batch, to the last bit.
        """


def drawn(rngs: Sequence[np.random.Generator], draw: Callable[[np.random.Generator], np.ndarray | float]) -> np.ndarray:
    """What `draw` (...) takes from each generator: (N, ...) float32."""
    return np.stack([np.asarray(draw(rng), np.float32) for rng in rngs])


def to_bytes(images: np.ndarray) -> np.ndarray:
    """[0, 1], clipped where it is not -> uint8.

    Fractions are cut off, not rounded: so are those of the published CIFAR-10-C. The slack keeps a value
    whole that float32 holds a little below.
    """
    levels: np.ndarray = np.clip(images * np.float32(255) + np.float32(1e-3), 0, 255)
    return levels.astype(np.uint8)


def to_floats(images: np.ndarray) -> np.ndarray:
    """uint8 -> float32 in [0, 1]."""
    return images.astype(np.float32) / np.float32(255)
