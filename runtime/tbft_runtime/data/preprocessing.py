"""The bundle's preprocessing: a picture -> the pixels that the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from tbft_artifacts.preprocessing import CenterCrop, ExifTranspose, Normalize, PreprocessingStep, Resize, ToRgb

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


@dataclass(frozen=True)
class Preprocessing:
    """The ordered steps of a manifest, split where pixels become numbers.

    `prepare` makes uint8 pixels (S, S, 3), small enough to keep; `normalize` makes the model's input.
    """

    steps: tuple[PreprocessingStep, ...]
    image_size: int

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """A decoded picture -> (S, S, 3) uint8."""
        for step in self.steps:
            picture = _apply(step, picture)
        return np.asarray(picture.convert("RGB"), np.uint8)

    def prepare_array(self, pixels: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (S, S, 3) uint8; the same array if it has that size."""
        if pixels.shape[0] == pixels.shape[1] == self.image_size:
            return pixels
        return self.prepare(Image.fromarray(pixels))

    def normalize(self, images: np.ndarray) -> np.ndarray:
        """(N, S, S, 3) uint8 -> (N, 3, S, S) float32, contiguous."""
        step = next(step for step in self.steps if isinstance(step, Normalize))
        mean = np.array(step.mean, np.float32)
        std = np.array(step.std, np.float32)
        scaled = (images.astype(np.float32) / np.float32(255) - mean) / std
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


# Only what it takes to have pixels at all: pictures keep their sizes.
AS_TAKEN = Preprocessing((ExifTranspose(), ToRgb()), image_size=0)


def _apply(step: PreprocessingStep, picture: Image.Image) -> Image.Image:
    match step:
        case ExifTranspose():
            return ImageOps.exif_transpose(picture)
        case ToRgb():
            return _rgb(picture)
        case Resize():
            return _resize(picture, step)
        case CenterCrop():
            left = (picture.width - step.size) // 2
            top = (picture.height - step.size) // 2
            return picture.crop((left, top, left + step.size, top + step.size))
        case Normalize():
            return picture


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):
        # Pillow would cut grey values above 255 off, not scale them.
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return picture.convert("RGB")


def _resize(picture: Image.Image, step: Resize) -> Image.Image:
    shorter = min(picture.size)
    if shorter == step.size:
        return picture
    size: Sequence[int] = [max(step.size, round(side * step.size / shorter)) for side in picture.size]
    return picture.resize((size[0], size[1]), _FILTERS[step.filter])
