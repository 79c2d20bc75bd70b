"""Prepared images in one file: decoded once, read in any order, never all in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.atomic import atomic_file, clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.rights import PRIVATE_FILE, private_folder
from tbft_artifacts.words import printable
from tbft_runtime.data.rows import FileRows
from tbft_runtime.data.sources import ImageSource
from tbft_runtime.timing import Stopwatch


class _Index(msgspec.Struct, frozen=True):
    """What lies beside the pixels: whose they are, labels, and the images that could not be read."""

    fingerprint: str
    image_size: int
    labels: list[int]
    skipped: list[str]


@dataclass(frozen=True)
class ImageStore:
    """`pixels` are rows (S, S, 3) uint8; `labels` (N,) int64; `skipped` names unreadable images."""

    pixels: FileRows
    labels: np.ndarray
    skipped: tuple[str, ...]

    @property
    def labelled(self) -> np.ndarray:
        """Indices of the images that have a label."""
        return np.flatnonzero(self.labels != NO_LABEL)


def open_store(
    source: ImageSource,
    image_size: int,
    folder: Path,
    name: str,
    on_image: Callable[[], None] = lambda: None,
    stopwatch: Stopwatch | None = None,
) -> ImageStore:
    """Prepare every image of `source` into `folder/name.pixels`, or reuse what is there already.

    `on_image` is called after each image, and `stopwatch` gets a lap for each. Raises TbftError if no
    image can be read, or the disk is full.
    """
    with clear_disk_errors(folder):
        private_folder(folder)
    pixels_path, index_path = folder / f"{name}.pixels", folder / f"{name}.json"
    index = _read_index(index_path)
    fingerprint = source.fingerprint()
    if index is None or not _is_current(index, fingerprint, image_size, pixels_path):
        # Pixels first: the index is what says that they are complete.
        index_path.unlink(missing_ok=True)
        labels: list[int] = []
        skipped: list[str] = []
        with atomic_file(pixels_path, mode=PRIVATE_FILE) as temporary, temporary.open("wb") as file:
            for item in (stopwatch or Stopwatch()).each("decode", source.items()):
                if item.pixels is None:
                    skipped.append(printable(item.name))
                else:
                    file.write(item.pixels.tobytes())
                    labels.append(item.label)
                on_image()
        index = _Index(fingerprint, image_size, labels, skipped)
        with atomic_file(index_path, mode=PRIVATE_FILE) as temporary:
            temporary.write_bytes(msgspec.json.encode(index))
    if not index.labels:
        skipped_words = f", {len(index.skipped)} could not be read" if index.skipped else ""
        raise TbftError(f"no images in the data{skipped_words}", "JPEG and PNG files, or an .npz with images")
    return ImageStore(
        pixels=FileRows(pixels_path, (image_size, image_size, 3), np.dtype(np.uint8)),
        labels=np.array(index.labels, np.int64),
        skipped=tuple(index.skipped),
    )


def _is_current(index: _Index, fingerprint: str, image_size: int, pixels: Path) -> bool:
    """Whether the index belongs to the same images, and all their pixels are there."""
    expected = len(index.labels) * image_size * image_size * 3
    return (
        index.fingerprint == fingerprint
        and index.image_size == image_size
        and pixels.is_file()
        and pixels.stat().st_size == expected
    )


def _read_index(path: Path) -> _Index | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Index)
    except (OSError, msgspec.DecodeError):
        return None
