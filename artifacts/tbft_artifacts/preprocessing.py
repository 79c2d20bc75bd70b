"""The steps from a picture to what a network takes."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tbft_artifacts.structs import Pixels, Struct

# From the least to the largest that any normalisation has.
MEANS, DEVIATIONS = (-1e3, 1e3), (1e-4, 1e4)
_CHANNELS = Meta(min_length=3, max_length=3)

ResizeFilter = Literal["bilinear", "bicubic", "nearest"]


class ExifTranspose(Struct, frozen=True, tag="exif_transpose"):
    """Turn the picture as its EXIF orientation says."""


class ToRgb(Struct, frozen=True, tag="rgb"):
    """Convert to three channels, red, green, blue."""


class Resize(Struct, frozen=True, tag="resize"):
    """Scale so that the shorter side has `size` pixels."""

    size: Pixels
    filter: ResizeFilter = "bilinear"


class CenterCrop(Struct, frozen=True, tag="center_crop"):
    """Cut `size` x `size` pixels out of the middle."""

    size: Pixels


class Normalize(Struct, frozen=True, tag="normalize"):
    """uint8 pixel p of channel c -> (p / 255 - mean[c]) / std[c], as float32 in (C, H, W)."""

    mean: Annotated[tuple[Annotated[float, Meta(ge=MEANS[0], le=MEANS[1])], ...], _CHANNELS]
    std: Annotated[tuple[Annotated[float, Meta(ge=DEVIATIONS[0], le=DEVIATIONS[1])], ...], _CHANNELS]


PreprocessingStep = ExifTranspose | ToRgb | Resize | CenterCrop | Normalize
