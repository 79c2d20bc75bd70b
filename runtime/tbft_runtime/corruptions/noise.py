"""Noise of sensors and of transmission (Hendrycks & Dietterich 2019); every channel value on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tbft_runtime.corruptions.corruption import drawn


@dataclass(frozen=True)
class GaussianNoise:
    """x + n, n ~ N(0, sigma²): little light."""

    sigma: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        return images + np.float32(self.sigma) * _normal(images, rngs)


@dataclass(frozen=True)
class ShotNoise:
    """Poisson(photons · x) / photons: light is made of photons, `photons` of them at full brightness."""

    photons: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        counts = [rng.poisson(image * self.photons) for image, rng in zip(images, rngs, strict=True)]
        return np.stack(counts).astype(np.float32) / np.float32(self.photons)


@dataclass(frozen=True)
class ImpulseNoise:
    """0 or 1, equally likely, in place of x with probability `amount`: salt and pepper."""

    amount: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        chance = drawn(rngs, lambda rng: rng.random(images.shape[1:], np.float32))
        salted = np.where(chance > np.float32(1 - self.amount / 2), np.float32(1), images)
        return np.where(chance < np.float32(self.amount / 2), np.float32(0), salted)


@dataclass(frozen=True)
class SpeckleNoise:
    """x + x · n, n ~ N(0, sigma²): the brighter the pixel, the more of it."""

    sigma: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        speckled: np.ndarray = images + images * np.float32(self.sigma) * _normal(images, rngs)
        return speckled


def _normal(images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    return drawn(rngs, lambda rng: rng.standard_normal(images.shape[1:], np.float32))
