"""Edges of grey images (Canny 1986), and how far each pixel is from them; batch by batch."""

from __future__ import annotations

import numpy as np

# tan 22.5° and tan 67.5°: where a gradient stops to be horizontal, and starts to be vertical.
_FLAT = np.sqrt(2) - 1
_STEEP = np.sqrt(2) + 1


def canny(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """images (N, H, W) uint8 -> edges (N, H, W) bool.

    Sobel gradients, |dx| + |dy| as their size; ridges of it above `high`, and those above `low` that
    are connected to them, also diagonally. No smoothing before.
    """
    padded = np.pad(images.astype(np.int32), ((0, 0), (1, 1), (1, 1)), mode="edge")
    across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    along = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    dx, dy = across[:, :, 2:] - across[:, :, :-2], along[:, 2:] - along[:, :-2]
    size = np.abs(dx) + np.abs(dy)
    ridge = (size > low) & _is_ridge(dx, dy, size)
    return _connected(ridge & (size > high), ridge)


def distance(edges: np.ndarray, limit: int) -> np.ndarray:
    """edges (N, H, W) bool -> Euclidean distance to the nearest, `limit` at most, (N, H, W) float32."""
    height, width = edges.shape[1:]
    far = np.float32(limit) ** 2
    vertical = np.where(edges, np.float32(0), far)
    padded = np.pad(edges, ((0, 0), (limit, limit), (0, 0)))
    for step in range(limit - 1, 0, -1):
        near = padded[:, limit + step : limit + step + height] | padded[:, limit - step : limit - step + height]
        vertical = np.where(near & ~edges, np.float32(step * step), vertical)
    squared = vertical
    padded = np.pad(vertical, ((0, 0), (0, 0), (limit, limit)), constant_values=far)
    for step in range(1, limit):
        sides = np.minimum(
            padded[:, :, limit + step : limit + step + width], padded[:, :, limit - step : limit - step + width]
        )
        squared = np.minimum(squared, sides + np.float32(step * step))
    return np.sqrt(squared)


def _is_ridge(dx: np.ndarray, dy: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Whether no neighbour along the gradient is larger, ties being won by one of the two."""
    height, width = size.shape[1:]
    padded = np.pad(size, ((0, 0), (1, 1), (1, 1)))

    def neighbour(down: int, right: int) -> np.ndarray:
        return padded[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]

    horizontal = (size > neighbour(0, -1)) & (size >= neighbour(0, 1))
    vertical = (size > neighbour(-1, 0)) & (size >= neighbour(1, 0))
    falling = (size > neighbour(-1, -1)) & (size > neighbour(1, 1))
    rising = (size > neighbour(-1, 1)) & (size > neighbour(1, -1))
    diagonal = np.where((dx < 0) == (dy < 0), falling, rising)
    steepness, flatness = np.abs(dy), np.abs(dx)
    return np.where(
        steepness < _FLAT * flatness, horizontal, np.where(steepness > _STEEP * flatness, vertical, diagonal)
    )


def _connected(seeds: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """What of `allowed` is connected with `seeds`, of eight neighbours each."""
    height, width = seeds.shape[1:]
    grown = seeds
    while True:
        padded = np.pad(grown, ((0, 0), (1, 1), (1, 1)))
        rows = padded[:, :height] | padded[:, 1 : 1 + height] | padded[:, 2:]
        larger = allowed & (rows[:, :, :width] | rows[:, :, 1 : 1 + width] | rows[:, :, 2:])
        if (larger == grown).all():
            return grown
        grown = larger
