"""Drops of water and splashes of mud on the lens (public code of Hendrycks & Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tbft_runtime.corruptions.corruption import drawn
from tbft_runtime.corruptions.edges import canny, distance
from tbft_runtime.corruptions.separable import blurred

_WATER = np.array([175, 238, 238], np.float32) / 255  # Pale turquoise.
_MUD = np.array([63, 42, 20], np.float32) / 255
# Bytes of gradient: Canny's thresholds for the outlines of drops.
_WEAK, _STRONG = 50, 150
# Pixels inside which the light changes beside an outline.
_RIM = 20
# Brighter towards the lower right, as a drop in light from above.
_RELIEF = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))
# Below this, mud is too thin to be seen.
_THIN = 0.8


@dataclass(frozen=True)
class WaterSpatter:
    """x + strength · d · water, d from 0 to 1.

    Liquid: N(mean, deviation²), blurred with `sigma`, 0 below `threshold`. d is liquid times relief: the
    distance to the liquid's outlines, equalised, embossed and smoothed.
    """

    mean: float
    deviation: float
    sigma: float
    threshold: float
    strength: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        liquid = _liquid(images, rngs, self.mean, self.deviation, self.sigma)
        liquid = np.floor(np.where(liquid < self.threshold, 0, np.clip(liquid, 0, 1)) * 255)
        outlines = canny(liquid.astype(np.uint8), _WEAK, _STRONG)
        # Fractions are cut off here and rounded below, as in the public code.
        rims = _equalised((_box(distance(outlines, _RIM)) + np.float32(1e-3)).astype(np.uint8))
        relief = np.rint(_box(np.clip(_filtered(rims, _RELIEF), 0, 255)))
        drops = liquid.astype(np.float32) * relief
        # An image may have no drop at all.
        drops /= np.maximum(drops.max(axis=(1, 2), keepdims=True), 1)
        wet: np.ndarray = images + np.float32(self.strength) * drops[..., None] * _WATER
        return wet


@dataclass(frozen=True)
class MudSpatter:
    """x · (1 − m) + m · mud, m from 0 to 1: where N(mean, deviation²), blurred with `sigma`, is above `threshold`.

    That mask is softened with a Gaussian of `softness`, and what is then below 0.8 is no mud.
    """

    mean: float
    deviation: float
    sigma: float
    threshold: float
    softness: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        liquid = _liquid(images, rngs, self.mean, self.deviation, self.sigma)
        mask = blurred((liquid > self.threshold).astype(np.float32), self.softness)
        mask = np.where(mask < _THIN, np.float32(0), mask)[..., None]
        splashed: np.ndarray = images * (1 - mask) + mask * _MUD
        return splashed


def _liquid(
    images: np.ndarray, rngs: Sequence[np.random.Generator], mean: float, deviation: float, sigma: float
) -> np.ndarray:
    """(N, H, W) float32."""
    return blurred(drawn(rngs, lambda rng: rng.normal(mean, deviation, images.shape[1:3])), sigma)


def _filtered(planes: np.ndarray, kernel: Sequence[Sequence[float]]) -> np.ndarray:
    """planes (N, H, W) correlated with a kernel (3, 3) -> float32, mirrored without the edge outside."""
    height, width = planes.shape[1:]
    padded = np.pad(planes.astype(np.float32), ((0, 0), (1, 1), (1, 1)), mode="reflect")
    out = np.zeros(planes.shape, np.float32)
    for top, row in enumerate(kernel):
        for left, weight in enumerate(row):
            out += np.float32(weight) * padded[:, top : top + height, left : left + width]
    return out


def _box(planes: np.ndarray) -> np.ndarray:
    """The mean of 3 × 3 pixels."""
    return _filtered(planes, [[1 / 9] * 3] * 3)


def _equalised(planes: np.ndarray) -> np.ndarray:
    """Spread the values of each plane (N, H, W) uint8, so that all are about equally frequent."""
    return np.stack([_equalised_plane(plane) for plane in planes])


def _equalised_plane(plane: np.ndarray) -> np.ndarray:
    """A plane of one value stays as it is."""
    counts = np.bincount(plane.ravel(), minlength=256)
    below = counts.cumsum()
    first = below[counts.nonzero()[0][0]]
    if first == plane.size:
        return plane
    table = np.rint((below - first) * (255 / (plane.size - first))).clip(0, 255).astype(np.uint8)
    equalised: np.ndarray = table[plane]
    return equalised
