"""The steps from a picture to what a network takes."""

from __future__ import annotations

from typing import Literal

from tbft_artifacts.structs import Struct

ResizeFilter = Literal["bilinear", "bicubic", "nearest"]


class ExifTranspose(Struct, frozen=True, tag="exif_transpose"):
    """Turn the picture as its EXIF orientation says."""


class ToRgb(Struct, frozen=True, tag="rgb"):
    """Convert to three channels, red, green, blue."""


class Resize(Struct, frozen=True, tag="resize"):
    """Scale so that the shorter side has `size` pixels."""

    size: int
    filter: ResizeFilter = "bilinear"


class CenterCrop(Struct, frozen=True, tag="center_crop"):
    """Cut `size` x `size` pixels out of the middle."""

    size: int


class Normalize(Struct, frozen=True, tag="normalize"):
    """uint8 pixel p of channel c -> (p / 255 - mean[c]) / std[c], as float32 in (C, H, W)."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


PreprocessingStep = ExifTranspose | ToRgb | Resize | CenterCrop | Normalize
