"""Read images at places between their pixels, and beyond their edges."""

from __future__ import annotations

from typing import Literal

import numpy as np

# The mirror image goes on outside: with the edge doubled, or not.
Mirror = Literal["symmetric", "reflect"]


def bilinear(images: np.ndarray, rows: np.ndarray, columns: np.ndarray, border: Mirror) -> np.ndarray:
    """images (N, H, W, C) at rows and columns (N, H', W'), in pixels -> (N, H', W', C)."""
    count, height, width, channels = images.shape
    pixels = images.reshape(count * height * width, channels)
    firsts = np.arange(count)[:, None, None] * (height * width)
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down = (rows - top).astype(np.float32)[..., None]
    right = (columns - left).astype(np.float32)[..., None]
    lefts, rights = _inside(left, width, border), _inside(left + 1, width, border)

    def row(number: np.ndarray) -> np.ndarray:
        start = firsts + _inside(number, height, border) * width
        mixed: np.ndarray = pixels.take(start + lefts, 0) * (1 - right) + pixels.take(start + rights, 0) * right
        return mixed

    values: np.ndarray = row(top) * (1 - down) + row(top + 1) * down
    return values


def _inside(numbers: np.ndarray, size: int, border: Mirror) -> np.ndarray:
    """Fold the numbers of pixels into 0 … size − 1."""
    if border == "symmetric":
        period, last = 2 * size, 2 * size - 1
    else:
        period = last = max(2 * (size - 1), 1)
    forth: np.ndarray = numbers % period
    folded: np.ndarray = np.minimum(forth, last - forth)
    return folded
