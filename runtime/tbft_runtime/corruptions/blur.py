"""Blur of lenses, glass and movement (Hendrycks & Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tbft_runtime.corruptions.corruption import drawn, to_bytes, to_floats
from tbft_runtime.corruptions.motion import motion_blurred
from tbft_runtime.corruptions.separable import blurred, to_images, to_planes, zoomed


@dataclass(frozen=True)
class GaussianBlur:
    """x convolved with a Gaussian of `sigma` pixels."""

    sigma: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:  # noqa: ARG002
        return to_images(blurred(to_planes(images), self.sigma))


@dataclass(frozen=True)
class DefocusBlur:
    """x convolved with a disk of `radius` pixels, whose rim is softened by a Gaussian of `softness` pixels."""

    radius: float
    softness: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:  # noqa: ARG002
        kernel = _disk(self.radius, self.softness)
        height, width = images.shape[1:3]
        margin = len(kernel) // 2
        padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
        out = np.zeros_like(images)
        for top, left in np.argwhere(kernel > 0).tolist():
            out += kernel[top, left] * padded[:, top : top + height, left : left + width]
        return out


@dataclass(frozen=True)
class GlassBlur:
    """Gaussian blur, pixels taken from up to `reach` pixels away, Gaussian blur again.

    `rounds` times, from the lower right to the upper left, each pixel but those near the edge becomes
    the one at an offset of −reach … reach − 1 in each direction. The paper says that pixels are swapped;
    the code that made CIFAR-10-C copies them (both names are views of one array), and so does this.
    """

    sigma: float
    reach: int
    rounds: int

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        # The public code shuffles bytes.
        frosted = to_floats(to_bytes(to_images(blurred(to_planes(images), self.sigma))))
        for image, rng in zip(frosted, rngs, strict=True):
            height, width = image.shape[:2]
            pixels = image.reshape(height * width, -1)
            pixels[:] = pixels[self._sources(height, width, rng)]
        return to_images(blurred(to_planes(frosted), self.sigma))

    def _sources(self, height: int, width: int, rng: np.random.Generator) -> list[int]:
        """For each pixel, counted row by row, the number of the pixel that ends there."""
        rows = np.arange(height - self.reach, self.reach, -1)
        columns = np.arange(width - self.reach, self.reach, -1)
        places = (rows[:, None] * width + columns).ravel().tolist()
        sources = list(range(height * width))
        # One after the other, since a place may take what was put there before. Plain integers are quickest.
        for _ in range(self.rounds):
            down, right = rng.integers(-self.reach, self.reach, (2, len(places)))
            for place, offset in zip(places, (down * width + right).tolist(), strict=True):
                sources[place] = sources[place + offset]
        return sources


@dataclass(frozen=True)
class MotionBlur:
    """A camera that moves: a one-sided Gaussian trace of `sigma` pixels at an angle ~ U(−45°, 45°)."""

    radius: int
    sigma: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        angles = drawn(rngs, lambda rng: rng.uniform(-45, 45))
        return motion_blurred(images, angles, self.radius, self.sigma)


@dataclass(frozen=True)
class ZoomBlur:
    """The mean of x and of its enlargements 1, 1 + step, … below `limit`: a camera that comes closer."""

    limit: float
    step: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:  # noqa: ARG002
        planes = to_planes(images)
        # As the public code counts: rounding lets some of its ranges include the limit.
        factors = np.arange(1, self.limit, self.step).tolist()
        total = planes.copy()
        for factor in factors:
            total += zoomed(planes, factor)
        return to_images(total) / np.float32(len(factors) + 1)


@lru_cache(maxsize=8)
def _disk(radius: float, softness: float) -> np.ndarray:
    """Weights (S, S), S odd. The Gaussian has 3 taps, or 5 for radii above 8, and mirrors what lies outside.

    So does the public code, on a square of 17 pixels or as large as the disk. Where the disk touches its
    sides, mirroring makes the sum of the weights, and the image, a per cent brighter.
    """
    margin, taps = (8, 1) if radius <= 8 else (int(radius), 2)
    distances = np.arange(-margin, margin + 1)
    hard = (distances[:, None] ** 2 + distances**2 <= radius**2).astype(np.float32)
    return blurred(hard / hard.sum(), softness, truncate=taps / softness, border="reflect")
