"""One picture file: read once, within bounds, whatever lies under its name."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from tbft_artifacts.regular import open_regular
from tbft_runtime.data.bounds import DECODER_BYTES, MOST_FILE_BYTES, Room, too_many_pixels
from tbft_runtime.data.colours import copied_bytes, held_bytes
from tbft_runtime.data.files import ChecksummedFile
from tbft_runtime.data.preprocessing import Preprocessing, orientation

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
# What there is no more to say of.
DAMAGED = "it cannot be read"
_PER_COLUMN = 256


class UnreadableError(Exception):
    """Why a picture is none."""


@dataclass(frozen=True)
class Picture:
    """A picture file that was read: prepared pixels (H, W, C), or None and the `problem`.

    `checksum` is the CRC of the file's bytes, None if they could not be read; `bytes` is what reading it took at most,
    beside what the process held.
    """

    pixels: np.ndarray | None
    problem: str
    checksum: int | None
    bytes: int = 0


def read(file: Path, preprocessing: Preprocessing, room: Room) -> Picture:
    """Read a JPEG or PNG file; one that is too large, damaged, or no file at all has no pixels."""
    try:
        with open_regular(file) as opened:
            return _read(ChecksummedFile(opened), preprocessing, room)
    except OSError as error:
        return Picture(None, error.strerror or DAMAGED, None)


def read_content(content: bytes, preprocessing: Preprocessing, room: Room) -> Picture:
    """The same of the bytes of such a file."""
    return _read(ChecksummedFile(io.BytesIO(content)), preprocessing, room)


def read_picture(file: Path, preprocessing: Preprocessing) -> np.ndarray | None:
    """The prepared pixels (H, W, C) of a JPEG or PNG file, or None if it cannot be read."""
    return read(file, preprocessing, Room(None)).pixels


def checksum(file: Path) -> int | None:
    """The CRC of a file's bytes, or None if `read` would have none of it."""
    try:
        with open_regular(file) as opened:
            content = ChecksummedFile(opened)
            return None if content.size > MOST_FILE_BYTES else content.checksum()
    except OSError:
        return None


def _read(file: ChecksummedFile, preprocessing: Preprocessing, room: Room) -> Picture:
    if file.size > MOST_FILE_BYTES:
        return Picture(None, f"its file has more than {MOST_FILE_BYTES >> 20} MiB", None)
    pixels, problem, needed = _decoded(file, preprocessing, room)
    return Picture(pixels, problem, file.checksum(), needed)


def _decoded(file: ChecksummedFile, preprocessing: Preprocessing, room: Room) -> tuple[np.ndarray | None, str, int]:
    """Pixels, or why there are none, and what that took."""
    needed = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About damaged EXIF data, which does no harm.
            picture, needed = _opened(file, preprocessing, room)
            return preprocessing.prepare(picture), "", needed
    except UnreadableError as error:
        return None, str(error), 0
    except MemoryError:
        return None, "there is not enough memory to decode it", 0
    except Exception:  # Damaged files lead decoders to struct.error, AttributeError and others too.
        return None, DAMAGED, needed


def _opened(file: ChecksummedFile, preprocessing: Preprocessing, room: Room) -> tuple[ImageFile, int]:
    """The picture, nothing of it decoded, and the bytes that decoding takes. Raises UnreadableError if it may not."""
    from tbft_runtime.data.decoders import coefficient_bytes, open_picture

    stream: IO[bytes] = file  # type: ignore[assignment]
    picture = open_picture(stream)
    if picture is None:
        raise UnreadableError(DAMAGED)
    if problem := too_many_pixels(*picture.size):
        raise UnreadableError(problem)
    width, height = picture.size
    factor = preprocessing.smaller(picture.size) if picture.format == "JPEG" else 1
    pixel = held_bytes(picture.mode) + copied_bytes(picture.mode)
    if "exif" in picture.info and orientation(picture) != 1:
        pixel += held_bytes(picture.mode)
    needed = (
        DECODER_BYTES
        + file.size
        + coefficient_bytes(picture, stream)
        + _PER_COLUMN * width
        + pixel * (width // factor + 1) * (height // factor + 1)
        + preprocessing.working_bytes(picture.size, factor)
    )
    if problem := room.problem(needed):
        raise UnreadableError(problem)
    return picture, needed
