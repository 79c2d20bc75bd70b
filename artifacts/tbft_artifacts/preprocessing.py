"""The steps from a picture to what a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from tbft_artifacts.input_shape import MOST_CHANNELS
from tbft_artifacts.structs import Pixels, Some, Struct

# From the least to the largest that any normalisation has.
MEANS, DEVIATIONS = (-1e3, 1e3), (1e-4, 1e4)
# Of a signal, whatever its unit is.
SIGNAL_MEANS, SIGNAL_DEVIATIONS = (-1e6, 1e6), (1e-6, 1e6)
_EACH_CHANNEL = Meta(min_length=1, max_length=MOST_CHANNELS)

ResizeFilter = Literal["bilinear", "bicubic", "nearest"]
# What people call one input of a network: a picture, or numbers of a sensor, a patch of them, too.
Noun = Literal["image", "window"]


class ExifTranspose(Struct, frozen=True, tag="exif_transpose"):
    """Turn the picture as its EXIF orientation says."""


class ToRgb(Struct, frozen=True, tag="rgb"):
    """Convert to three channels, red, green, blue."""


class ToGrey(Struct, frozen=True, tag="grey"):
    """Convert to one channel: 0.299 red + 0.587 green + 0.114 blue, as ITU-R 601 and Pillow have it."""


class Resize(Struct, frozen=True, tag="resize"):
    """Scale so that the shorter side has `size` pixels; with a `width`, so that `size` rows of `width` are covered."""

    size: Pixels
    filter: ResizeFilter = "bilinear"
    width: Pixels | UnsetType = UNSET

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width that the picture covers."""
        return self.size, self.size if isinstance(self.width, UnsetType) else self.width


class CenterCrop(Struct, frozen=True, tag="center_crop"):
    """Cut `size` x `size` pixels out of the middle; with a `width`, `size` rows of `width`."""

    size: Pixels
    width: Pixels | UnsetType = UNSET

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of what is cut out."""
        return self.size, self.size if isinstance(self.width, UnsetType) else self.width


class Normalize(Struct, frozen=True, tag="normalize"):
    """uint8 pixel p of channel c -> (p / 255 - mean[c]) / std[c], as float32 in (C, H, W)."""

    mean: Annotated[tuple[Annotated[float, Meta(ge=MEANS[0], le=MEANS[1])], ...], _EACH_CHANNEL]
    std: Annotated[tuple[Annotated[float, Meta(ge=DEVIATIONS[0], le=DEVIATIONS[1])], ...], _EACH_CHANNEL]


class CutWindows(Struct, frozen=True, tag="windows"):
    """Rows of a table -> windows of as many rows as the input is wide, one every `stride` rows; `columns` are channels.

    A window's label is the one that most of its rows have in the column `label`; of several that are as frequent, the
    one that comes last. Rows have to follow each other evenly in the column `time`; with a `rate`, in so many rows a
    second.
    """

    columns: Annotated[tuple[str, ...], _EACH_CHANNEL]
    stride: Some
    time: str
    label: str
    rate: Annotated[float, Meta(gt=0, le=1e9)] | UnsetType = UNSET


class Sound(Struct, frozen=True, tag="sound"):
    """A recording of 16-bit PCM at `rate` samples a second -> the mean of its channels, as int16.

    As many of its first samples are taken as the input is wide; zeros follow those of a shorter one.
    """

    rate: Some


class Standardize(Struct, frozen=True, tag="standardize"):
    """Number x of channel c -> (x - mean[c]) / std[c], as float32 in (C, H, W): of signals, which are no pixels."""

    mean: Annotated[tuple[Annotated[float, Meta(ge=SIGNAL_MEANS[0], le=SIGNAL_MEANS[1])], ...], _EACH_CHANNEL]
    std: Annotated[tuple[Annotated[float, Meta(ge=SIGNAL_DEVIATIONS[0], le=SIGNAL_DEVIATIONS[1])], ...], _EACH_CHANNEL]


PreprocessingStep = ExifTranspose | ToRgb | ToGrey | Resize | CenterCrop | Normalize | CutWindows | Sound | Standardize


def width_beside(height: int, width: int) -> int | UnsetType:
    """The `width` of a step beside its `size`, which is the height; nothing where it is the same."""
    return UNSET if width == height else width


def noun(steps: Sequence[PreprocessingStep]) -> Noun:
    """What one input is called that these steps prepare."""
    return "window" if any(isinstance(step, Standardize) for step in steps) else "image"
