"""Prepared images in one file: decoded once, read in any order, never all in memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.atomic import atomic_file, clear_disk_errors
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import PRIVATE_FILE, private_folder
from tbft_artifacts.sealed import is_as_sealed, sealed
from tbft_artifacts.words import printable
from tbft_runtime.board.machine import give_memory_back
from tbft_runtime.data.items import ImageSource, check_skipped
from tbft_runtime.data.rows import FileRows, row_bytes
from tbft_runtime.timing import Stopwatch

# What they are called, and in which files they come.
_PICTURES = "images", "JPEG and PNG files, or an .npz with images"
_SIGNALS = "windows", "an .npz with windows, or tables or recordings where the export said how they are read"
# Labels and names of as many images as there is room for on a device.
_LIMIT = 128 * MIB
_PIECE = 1 << 20


class _Index(msgspec.Struct, frozen=True):
    """What lies beside the pixels: whose they are, their CRC-32, labels, and the images that could not be read."""

    fingerprint: str
    shape: tuple[int, ...]
    dtype: str
    checksum: int
    labels: list[int]
    skipped: list[str]
    problems: list[str] = []


@dataclass(frozen=True)
class ImageStore:
    """`pixels` are rows (H, W, C) uint8, of signals (C, H, W) float32 or int16; `labels` (N,) int64.

    `skipped` names unreadable images; `problems` say why each of them is, or are empty where there is nothing to add.
    `reading` is what an image took at most, in bytes, while it was prepared here; 0 if all were there already.
    """

    pixels: FileRows
    labels: np.ndarray
    skipped: tuple[str, ...]
    problems: tuple[str, ...] = ()
    reading: int = 0

    @property
    def skipped_with_reasons(self) -> list[tuple[str, str]]:
        """(name, problem) of each unreadable image."""
        return list(zip(self.skipped, self.problems or ("",) * len(self.skipped), strict=True))

    @property
    def labelled(self) -> np.ndarray:
        """Indices of the images that have a label."""
        return np.flatnonzero(self.labels != NO_LABEL)


def open_store(
    source: ImageSource,
    shape: tuple[int, ...],
    folder: Path,
    name: str,
    on_image: Callable[[], None] = lambda: None,
    stopwatch: Stopwatch | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> ImageStore:
    """Prepare every image of `source` into `folder/name.pixels`, or reuse what is there already.

    `shape` is that of each row. `on_image` is called after each image, `stopwatch` gets a lap for each, and
    `note` hears of damage. Raises TbftError
    if no image can be read, or the disk is full.
    """
    with clear_disk_errors(folder):
        private_folder(folder)
    pixels_path, index_path = folder / f"{name}.pixels", folder / f"{name}.json"
    index = _read_index(index_path)
    largest = 0
    # Only where something is there already: it takes a pass over all files.
    if index is None or not _is_current(index, source, shape, pixels_path, note):
        # Pixels first: the index is what says that they are complete.
        index_path.unlink(missing_ok=True)
        labels: list[int] = []
        skipped: list[str] = []
        problems: list[str] = []
        checksum = 0
        with atomic_file(pixels_path, mode=PRIVATE_FILE) as temporary, temporary.open("wb") as file:
            for item in (stopwatch or Stopwatch()).each("decode", source.items()):
                largest = max(largest, item.bytes)
                if item.pixels is None:
                    problems.append(printable(item.problem))
                    skipped.append(printable(item.name))
                    check_skipped(len(skipped), problems[-1])
                else:
                    pixels = item.pixels.tobytes()
                    file.write(pixels)
                    checksum = zlib.crc32(pixels, checksum)
                    labels.append(item.label)
                on_image()
        give_memory_back()
        index = _Index(source.fingerprint(), shape, source.dtype.str, checksum, labels, skipped, problems)
        with atomic_file(index_path, mode=PRIVATE_FILE) as temporary:
            temporary.write_bytes(sealed(index))
    if not index.labels:
        why = next((f": {problem}" for problem in index.problems if problem), "")
        skipped_words = f", {len(index.skipped)} could not be read{why}" if index.skipped else ""
        what, kinds = _PICTURES if source.dtype == np.uint8 else _SIGNALS
        hint = "raise `memory_budget`, or give smaller ones" if "`memory_budget`" in why else kinds
        raise TbftError(f"no {what} in the data{skipped_words}", hint)
    return ImageStore(
        pixels=FileRows(pixels_path, shape, source.dtype),
        labels=np.array(index.labels, np.int64),
        skipped=tuple(index.skipped),
        problems=tuple(index.problems),
        reading=largest,
    )


def _is_current(
    index: _Index, source: ImageSource, shape: tuple[int, ...], pixels: Path, note: Callable[[str], None]
) -> bool:
    """Whether the index belongs to the same images, and all their pixels are there as they were written."""
    if (index.shape, index.dtype) != (shape, source.dtype.str) or index.fingerprint != source.fingerprint():
        return False
    if not pixels.is_file() or pixels.stat().st_size != len(index.labels) * row_bytes(shape, source.dtype):
        return False
    if _checksum(pixels) == index.checksum:
        return True
    note(f"'{pixels}' is damaged: the data is prepared again")
    return False


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            checksum = zlib.crc32(piece, checksum)
    return checksum


def _read_index(path: Path) -> _Index | None:
    """None if there is none, or it is damaged."""
    try:
        content = read_at_most(path, _LIMIT)
        index = decode(content, _Index, _LIMIT, failed=f"'{path}' is damaged", hint="it is made again")
        return index if is_as_sealed(content) else None
    except (OSError, TbftError):
        return None
