"""Pillow's decoders for the two formats that are read, without what they do beside decoding.

Loaded when the first picture is. `Image.open` would load those of five formats, and lose a photo where its EXIF data
has an odd resolution, or its list of further pictures is damaged.
"""

from __future__ import annotations

from typing import IO

from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

_SCAN = b"\xff\xda"
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


class _Jpeg(JpegImageFile):
    """A JPEG file of which nobody wants to know the resolution."""

    def _read_dpi_from_exif(self) -> None:
        pass


def open_picture(file: IO[bytes]) -> ImageFile | None:
    """A picture whose header was read, and no pixel yet; None if it is of another format.

    Raises whatever Pillow raises for a damaged one.
    """
    start = file.read(len(_PNG))
    file.seek(0)
    if start.startswith(_JPEG):
        return _Jpeg(file)
    return PngImageFile(file) if start == _PNG else None


def coefficient_bytes(picture: ImageFile, file: IO[bytes]) -> int:
    """What a decoder holds beside the pixels of a JPEG whose scans each tell a part of every block; else 0.

    `file` is where opening the picture left it: behind the header of the first scan.
    """
    if not isinstance(picture, JpegImageFile) or (
        "progressive" not in picture.info and _all_in_one(len(picture.layer), file)
    ):
        return 0
    across, down = (max(layer[axis] for layer in picture.layer) for axis in (1, 2))
    return sum(
        2 * _padded(picture.width * layer[1], across) * _padded(picture.height * layer[2], down)
        for layer in picture.layer
    )


def _all_in_one(channels: int, file: IO[bytes]) -> bool:
    """Whether the scan whose header was just read has all channels."""
    header = _SCAN + bytes([0, 6 + 2 * channels, channels])
    file.seek(max(0, file.tell() - 8 - 2 * channels))
    return file.read(len(header)) == header


def _padded(side: int, factor: int) -> int:
    """A side of a channel in whole blocks of 8 pixels, and in whole groups of them."""
    return (side // factor // 8 + 4) * 8
