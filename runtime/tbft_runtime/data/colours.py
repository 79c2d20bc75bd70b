"""Pictures of any colours, scaled to red, green and blue with few copies of them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tbft_runtime.data.windows import Box, Size

# Bytes per pixel as Pillow holds them; three channels take as much as four.
_HELD = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
_COPIED = {"RGB": 0, "L": 0, "1": 1, "LA": 1, "RGBA": 1, "RGBX": 1, "I;16": 6, "I;16L": 6, "I;16B": 6, "I;16N": 6}
_OF_OTHERS = 4


def held_bytes(mode: str) -> int:
    """Bytes of a pixel of a decoded picture."""
    return _HELD.get(mode, _OF_OTHERS)


def copied_bytes(mode: str) -> int:
    """Bytes of a pixel of what `scaled` makes beside it."""
    return _COPIED.get(mode, _OF_OTHERS)


def to_rgb(picture: Image.Image) -> Image.Image:
    """The same picture in RGB; what it says of transparency is left out."""
    if picture.mode.startswith("I;16"):
        # Pillow would cut grey values above 255 off, not scale them.
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def scaled(picture: Image.Image, size: Size, resampling: Image.Resampling, box: Box) -> Image.Image:
    """`to_rgb(picture).resize(size, resampling, box)`, without a copy of the whole picture where that is possible.

    Channels are scaled alike whether they lie beside each other or not, so that it is the same to the last bit.
    """
    match picture.mode:
        case "RGB":
            return picture.resize(size, resampling, box)
        case "RGBA" | "RGBX":
            bands = [picture.getchannel(band).resize(size, resampling, box) for band in range(3)]
            return Image.merge("RGB", bands)
        case "LA":
            picture = picture.getchannel(0)
        case "1":
            picture = picture.convert("L")
        case "L":
            pass
        case _:
            picture = to_rgb(picture)
    return picture.resize(size, resampling, box).convert("RGB")
