"""Snow, frost and fog (Hendrycks & Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tbft_runtime.corruptions.corruption import drawn, to_bytes, to_floats
from tbft_runtime.corruptions.frost_panes import PANES, frost_pane
from tbft_runtime.corruptions.motion import motion_blurred
from tbft_runtime.corruptions.plasma import plasma
from tbft_runtime.corruptions.separable import zoomed

# Luma of ITU-R BT.601.
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Snow:
    """Flakes that fall, over an image that pales.

    Flakes: N(mean, deviation²), enlarged `zoom` times, 0 below `threshold`, motion blur at U(−135°, −45°).
    Image: kept · x + (1 − kept) · max(x, 1.5 · grey + 0.5). The flakes are added twice, once turned by 180°.
    """

    mean: float
    deviation: float
    zoom: float
    threshold: float
    radius: int
    sigma: float
    kept: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        flakes = drawn(rngs, lambda rng: rng.normal(self.mean, self.deviation, images.shape[1:3]))
        flakes = zoomed(flakes, self.zoom)
        flakes = np.where(flakes < self.threshold, 0, np.clip(flakes, 0, 1)).astype(np.float32)
        flakes = motion_blurred(flakes, drawn(rngs, lambda rng: rng.uniform(-135, -45)), self.radius, self.sigma)
        grey = images[..., 0] * _GREY[0] + images[..., 1] * _GREY[1] + images[..., 2] * _GREY[2]
        pale = np.maximum(images, (np.float32(1.5) * grey + np.float32(0.5))[..., None])
        image = np.float32(self.kept) * images + np.float32(1 - self.kept) * pale
        snowy: np.ndarray = image + (flakes + flakes[:, ::-1, ::-1])[..., None]
        return snowy


@dataclass(frozen=True)
class Frost:
    """kept · x + ice · pane, the pane being a random part of one of a few frosted windows.

    For small images the windows are seen `reduction` times smaller.
    """

    kept: float
    ice: float
    reduction: int

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        panes = [self._cut(rng, *images.shape[1:3]) for rng in rngs]
        return np.float32(self.kept) * images + np.float32(self.ice) * np.stack(panes)

    def _cut(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        """(height, width, 3) of a random pane, which is enlarged where it is smaller than that."""
        pane = frost_pane(int(rng.integers(len(PANES))), self.reduction)
        scale = max(1.0, max(height, width) / len(pane))
        rows, columns = (min(round(side / scale), len(pane)) for side in (height, width))
        top, left = (int(rng.integers(len(pane) - side + 1)) for side in (rows, columns))
        part = pane[top : top + max(rows, 1), left : left + max(columns, 1)]
        return part if scale == 1 else _resized(part, height, width)


@dataclass(frozen=True)
class Fog:
    """(x + density · clouds) · m / (m + density), m being the brightest value of the image."""

    density: float
    decay: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        height, width = images.shape[1:3]
        side = 1 << max(height - 1, width - 1, 1).bit_length()
        clouds = plasma(rngs, side, self.decay)[:, :height, :width, None]
        density = np.float32(self.density)
        brightest = images.max(axis=(1, 2, 3), keepdims=True)
        foggy: np.ndarray = (images + density * clouds) * (brightest / (brightest + density))
        return foggy


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    picture = Image.fromarray(to_bytes(image)).resize((width, height), Image.Resampling.BICUBIC)
    return to_floats(np.asarray(picture))
