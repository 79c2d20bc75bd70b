"""Fewer pixels, and fewer bytes (Hendrycks & Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from tbft_runtime.corruptions.corruption import to_bytes, to_floats


@dataclass(frozen=True)
class Pixelate:
    """`share` of the pixels in each direction, by the mean of those below each, and back to size."""

    share: float

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:  # noqa: ARG002
        return _each_picture(images, self._pixelate)

    def _pixelate(self, picture: Image.Image) -> Image.Image:
        size = (max(int(picture.width * self.share), 1), max(int(picture.height * self.share), 1))
        return picture.resize(size, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX)


@dataclass(frozen=True)
class JpegCompression:
    """There and back through JPEG of this `quality`, colours at half resolution."""

    quality: int

    def __call__(self, images: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:  # noqa: ARG002
        return _each_picture(images, self._compress)

    def _compress(self, picture: Image.Image) -> Image.Image:
        file = BytesIO()
        picture.save(file, "JPEG", quality=self.quality)
        return Image.open(file)


def _each_picture(images: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    return to_floats(np.stack([np.asarray(change(Image.fromarray(pixels))) for pixels in to_bytes(images)]))
