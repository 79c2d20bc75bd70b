"""Light and colour (Hendrycks & Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Brightness:
    """V of HSV plus `added`, hue and saturation kept: x · V' / V; black becomes grey."""

    added: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:  # noqa: ARG002
        value = images.max(axis=3, keepdims=True)
        raised = np.clip(value + np.float32(self.added), 0, 1)
        gain = raised / np.where(value > 0, value, 1)
        brighter: np.ndarray = np.where(value > 0, images * gain, raised)
        return brighter


@dataclass(frozen=True)
class Contrast:
    """(x − m) · factor + m, m being the mean of the image, channel by channel."""

    factor: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:  # noqa: ARG002
        # float64 adds pixels without rounding, so the order, which numpy chooses, does not matter.
        means = images.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        flatter: np.ndarray = (images - means) * np.float32(self.factor) + means
        return flatter


@dataclass(frozen=True)
class Saturate:
    """S of HSV becomes S · factor + added, hue and value kept; grey, of no hue, turns red as hue 0 is."""

    factor: float
    added: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:  # noqa: ARG002
        value = images.max(axis=3, keepdims=True)
        chroma = value - images.min(axis=3, keepdims=True)
        saturation = chroma / np.where(value > 0, value, 1)
        wanted = np.clip(saturation * np.float32(self.factor) + np.float32(self.added), 0, 1)
        coloured = value - (value - images) * (wanted / np.where(saturation > 0, saturation, 1))
        red = value * (1 - wanted * np.array([0, 1, 1], np.float32))
        saturated: np.ndarray = np.where(saturation > 0, coloured, red)
        return saturated
