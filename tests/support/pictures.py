"""Labelled images in memory, as the reproduction takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from support.toys import coloured_squares


@dataclass(frozen=True)
class Pictures:
    """`images` (N, S, S, 3) uint8, `labels` (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


def coloured_pictures(count: int, seed: int, size: int = 8) -> Pictures:
    """A noisy colour per class, four classes."""
    return Pictures(*coloured_squares(count, seed, size))
