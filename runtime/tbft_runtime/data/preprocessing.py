"""The bundle's preprocessing: a picture -> the pixels that the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tbft_artifacts.input_shape import GREY, RGB, InputShape
from tbft_artifacts.preprocessing import (
    ExifTranspose,
    Normalize,
    Noun,
    PreprocessingStep,
    Sound,
    Standardize,
    ToGrey,
    ToRgb,
    noun,
)
from tbft_runtime.data.colours import scaled, to_rgb
from tbft_runtime.data.windows import Cut, Size, cuts, window

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Those that leave width and height what they are.
_LYING = (None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM)
# Those that put first what was last: from left to right, and from top to bottom, of the turned picture.
_MIRRORS_ACROSS = tuple(_TURNS[value] for value in (2, 3, 6, 7))
_MIRRORS_DOWN = tuple(_TURNS[value] for value in (3, 4, 7, 8))
# A picture is decoded at no less than so many times the size that it is then scaled to: scaling averages what is left.
_SPARE = 2
# Bytes: of a pixel in Pillow, and of one that becomes an array as it is.
_CHANNELS = 4
_AS_PIXELS = 10


@dataclass(frozen=True)
class Preprocessing:
    """The ordered steps of a manifest, split where pixels become numbers.

    `prepare` makes uint8 pixels (H, W, C), small enough to keep; `normalize` makes the model's input.
    """

    steps: tuple[PreprocessingStep, ...]
    shape: InputShape

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """A picture, decoded or only opened -> (H, W, C) uint8.

        A JPEG that is only opened, and much larger than what is made of it, is decoded smaller. Raises whatever Pillow
        raises for a picture that is damaged.
        """
        stored = picture.size
        if least := self._least:
            picture.draft("RGB", (least, least))
        factor = _factor(stored, picture.size)
        picture.load()
        turn = _TURNS.get(orientation(picture)) if self._turns else None
        if turn is not None:
            # Pillow's own `exif_transpose` writes EXIF again, and fails where any tag is odd.
            picture = picture.transpose(turn)
        size = stored if turn in _LYING else (stored[1], stored[0])
        # The last pixel of a smaller picture may show less than the others, and be the first one now.
        short = [decoded - whole / factor for decoded, whole in zip(picture.size, size, strict=True)]
        begins = (short[0] if turn in _MIRRORS_ACROSS else 0, short[1] if turn in _MIRRORS_DOWN else 0)
        for cut in cuts(self.steps):
            picture = _cut(picture, size, factor, begins, cut)
            size, factor, begins = picture.size, 1, (0, 0)
        rgb = to_rgb(picture)
        if not self._is_grey:
            return np.asarray(rgb, np.uint8)
        # Of a picture that is grey already these are its own values.
        return np.asarray(rgb.convert("L"), np.uint8)[:, :, np.newaxis]

    def prepare_array(self, pixels: np.ndarray) -> np.ndarray:
        """(h, w, 3) uint8 RGB or (h, w, 1) grey -> (H, W, C) uint8; the same array if it has that shape."""
        if pixels.shape == self.row_shape:
            return pixels
        return self.prepare(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == GREY else pixels))

    def normalize(self, images: np.ndarray) -> np.ndarray:
        """Pixels (N, H, W, C) uint8 or a signal's (N, C, H, W) -> (N, C, H, W) float32, contiguous."""
        step = next(step for step in self.steps if isinstance(step, Normalize | Standardize))
        mean = np.array(step.mean, np.float32)
        std = np.array(step.std, np.float32)
        scaled = images.astype(np.float32)
        if isinstance(step, Standardize):
            scaled -= mean[:, np.newaxis, np.newaxis]
            scaled /= std[:, np.newaxis, np.newaxis]
            return scaled
        # In place: of a large image each copy is a good part of a board's memory.
        scaled /= np.float32(255)
        scaled -= mean
        scaled /= std
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    def smaller(self, picture: Size) -> int:
        """How many times smaller, 1, 2, 4 or 8, a picture of that size may be decoded."""
        least = self._least
        most = 1 if least is None else min(picture) // least
        return max(factor for factor in (1, 2, 4, 8) if factor <= max(1, most))

    def working_bytes(self, picture: Size, factor: int) -> int:
        """What is held beside a picture of that size, and its copies, that was decoded `factor` times smaller."""
        first = next(cuts(self.steps), None)
        if first is None:
            return _AS_PIXELS * picture[0] * picture[1]
        found = window(picture, first)
        (left, top, right, bottom), (across, down) = found.box, found.size
        # One direction is scaled after the other.
        halfway = max(across * (bottom - top), down * (right - left)) / factor
        return _CHANNELS * int(halfway + 2 * across * down)

    @property
    def _least(self) -> int | None:
        """Pixels that a side of a picture is decoded to at least; None: all there are."""
        first = next(cuts(self.steps), None)
        return None if first is None or first.resize is None else _SPARE * max(first.resize)

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of prepared pixels, (C, H, W) of a signal."""
        if self.is_signal:
            return self.shape
        return self.shape.height, self.shape.width, self.shape.channels

    @property
    def is_signal(self) -> bool:
        """Whether what goes in are numbers of a sensor, and no pictures."""
        return self.noun == "window"

    @property
    def noun(self) -> Noun:
        """What one of them is called."""
        return noun(self.steps)

    def noise(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Rows of noise as they could be stored: (n, *row_shape)."""
        if not self.is_signal:
            return rng.integers(0, 256, (count, *self.row_shape), dtype=np.uint8)
        step = next(step for step in self.steps if isinstance(step, Standardize))
        mean, std = (np.array(each, np.float32)[:, np.newaxis, np.newaxis] for each in (step.mean, step.std))
        return np.asarray(mean + std * rng.standard_normal((count, *self.row_shape), np.float32))

    @property
    def takes_grey(self) -> bool:
        """Whether arrays may be grey: for a network that is, and where nobody asks for colours."""
        return self.shape.channels == GREY or not self.shape.pixels

    def takes_arrays(self, shape: tuple[int, ...]) -> bool:
        """Whether uint8 arrays of a shape are images: (N, H, W, 3), or grey ones (N, H, W) or (N, H, W, 1).

        One of (H, W, 3) is a single frame in colours, which would pass for H grey images.
        """
        is_grey = (len(shape) == 3 and shape[2] != RGB) or shape[3:] == (GREY,)
        return (shape[3:] == (RGB,) or (is_grey and self.takes_grey)) and 0 not in shape[1:3]

    @property
    def signal_types(self) -> tuple[str, ...]:
        """Of a signal's values: what a sensor gives; of sound samples, since float32 ones would be from -1 to 1."""
        return ("int16",) if any(isinstance(step, Sound) for step in self.steps) else ("float32", "int16")

    def takes_signals(self, shape: tuple[int, ...]) -> bool:
        """Whether arrays of a shape are signals: (N, C, H, W), or (N, C, L) where these have one row."""
        channels, height, width = self.shape
        return shape[1:] == self.shape or (height == 1 and shape[1:] == (channels, width))

    @property
    def _is_grey(self) -> bool:
        return any(isinstance(step, ToGrey) for step in self.steps)

    @property
    def _turns(self) -> bool:
        return any(isinstance(step, ExifTranspose) for step in self.steps)


# Only what it takes to have pixels at all: pictures keep their sizes.
AS_TAKEN = Preprocessing((ExifTranspose(), ToRgb()), InputShape(RGB, 0, 0))


def orientation(picture: Image.Image) -> int:
    """What EXIF says; 1, as it is stored, where it says nothing that can be read: no reason to lose a picture."""
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return found if isinstance(found, int) else 1


def _factor(whole: Size, decoded: Size) -> int:
    """How many times smaller it was decoded; a part of a pixel counts as a whole one: 1/8 of 4,057 is 508."""
    return next(factor for factor in (1, 2, 4, 8) if -(-whole[0] // factor) == decoded[0])


def _cut(picture: Image.Image, size: Size, factor: int, begins: tuple[float, float], cut: Cut) -> Image.Image:
    """A cut of a picture of `size`, which was decoded `factor` times smaller and lies there from `begins` on."""
    found = window(size, cut)
    if found.scales:
        left, top, right, bottom = (side / factor + begins[axis % 2] for axis, side in enumerate(found.box))
        picture = scaled(picture, found.size, _FILTERS[cut.filter], (left, top, right, bottom))
    if found.crop == (0, 0, *picture.size):
        return picture
    # Around a picture that is smaller it is black, whatever its palette begins with.
    inside = found.crop[0] >= 0 and found.crop[1] >= 0
    return (picture if inside else to_rgb(picture)).crop(found.crop)
