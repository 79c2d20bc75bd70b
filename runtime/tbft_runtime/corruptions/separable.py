"""Filters that treat rows and columns alike, as matrices: filtered = rows · plane · columnsᵀ."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

# What lies outside a plane, in the words of np.pad: its edge, or its mirror image with or without the edge.
Border = Literal["edge", "symmetric", "reflect"]


def blurred(planes: np.ndarray, sigma: float, truncate: float = 4.0, border: Border = "edge") -> np.ndarray:
    """Convolve planes (..., H, W) with a Gaussian of `sigma` pixels, cut off `truncate` sigmas from its middle."""
    height, width = planes.shape[-2:]
    return filtered(planes, _gaussian(height, sigma, truncate, border), _gaussian(width, sigma, truncate, border))


def zoomed(planes: np.ndarray, factor: float) -> np.ndarray:
    """Enlarge the middle of planes (..., H, W) `factor` times, linearly; the size stays."""
    height, width = planes.shape[-2:]
    return filtered(planes, _zoom(height, factor), _zoom(width, factor))


def filtered(planes: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """planes (..., H, W), rows (H', H), columns (W', W) -> (..., H', W').

    A matrix product for each plane, so its bits do not depend on how many there are.
    """
    products: np.ndarray = rows @ planes @ columns.T
    return products


def to_planes(images: np.ndarray) -> np.ndarray:
    """(N, H, W, C) -> (N, C, H, W), contiguous."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def to_images(planes: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C), contiguous."""
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


@lru_cache(maxsize=8)
def _gaussian(size: int, sigma: float, truncate: float, border: Border) -> np.ndarray:
    """(size, size): row i holds the weights of all pixels in the blurred pixel i."""
    radius = int(truncate * sigma + 0.5)
    distances = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (distances / sigma) ** 2) if radius else np.ones(1)
    inside = np.pad(np.arange(size), radius, mode=border)
    matrix = np.zeros((size, size))
    for pixel in range(size):
        np.add.at(matrix[pixel], inside[pixel : pixel + len(weights)], weights / weights.sum())
    return matrix.astype(np.float32)


@lru_cache(maxsize=64)
def _zoom(size: int, factor: float) -> np.ndarray:
    """(size, size): the middle `size / factor` pixels, spread so that first meets first and last meets last."""
    source = int(np.ceil(size / factor))
    start = (size - source) // 2
    enlarged = max(round(source * factor), size)
    step = (source - 1) / max(enlarged - 1, 1)
    positions = (np.arange(size) + (enlarged - size) // 2) * step
    lower = np.minimum(positions.astype(int), max(source - 2, 0))
    upper = np.minimum(lower + 1, source - 1)
    pixels = np.arange(size)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (pixels, start + lower), 1 - (positions - lower))
    np.add.at(matrix, (pixels, start + upper), positions - lower)
    return matrix.astype(np.float32)
