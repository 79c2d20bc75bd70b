"""Labelled images from an `.npz` file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import GREY
from tbft_runtime.data.bounds import DECODER_BYTES, room, too_many_pixels
from tbft_runtime.data.items import Item
from tbft_runtime.data.npy_header import Header
from tbft_runtime.data.npz_archive import (
    MOST_IMAGES,
    OF_SENSORS,
    array_in,
    checksums_in,
    known_classes,
    labels_in,
    opened_archive,
    read_array,
)
from tbft_runtime.data.preprocessing import Preprocessing

_MOST_UNSTREAMED = 1 << 30
# Of an image while it is scaled: its bytes, and Pillow's.
_PIXEL_BYTES = 7


class NpzSource:
    """`images` (N, H, W, 3) uint8, or (N, H, W) grey, and `labels` (N,), streamed: one image is in memory at a time."""

    def __init__(
        self,
        path: Path,
        classes: Sequence[str] | None,
        preprocessing: Preprocessing,
        memory_budget: int | None = None,
    ) -> None:
        self.path = path
        self.preprocessing = preprocessing
        with opened_archive(path) as archive:
            self._checksums = checksums_in(archive, path)
            _check_kind(archive.namelist(), path)
            with array_in(archive, "images", path) as (_, header):
                _check_images(header, path, preprocessing)
                # Grey pixels may have an axis of their own channel, or none.
                self.shape = header.shape if len(header.shape) == 4 else (*header.shape, GREY)
                self._fortran = header.fortran
            self._check_size(memory_budget)
            self.labels = labels_in(archive, self.shape[0], classes, path)
            self.classes: Sequence[str] | None = known_classes(archive, classes, path)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def items(self) -> Iterator[Item]:
        with opened_archive(self.path) as archive, array_in(archive, "images", self.path) as (file, _):
            pixels = _whole(file, self.shape, self.path) if self._fortran else self._streamed(file)
            for index, (label, image) in enumerate(zip(self.labels, pixels, strict=True)):
                prepared = self.preprocessing.prepare_array(image)
                yield Item(f"{self.path.name}[{index}]", int(label), prepared, bytes=self.bytes)

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self._checksums).encode()).hexdigest()[:16]

    def _streamed(self, file: IO[bytes]) -> Iterator[np.ndarray]:
        for _ in range(self.shape[0]):
            yield read_array(file, math.prod(self.shape[1:]), self.path).reshape(self.shape[1:])

    def _check_size(self, memory_budget: int | None) -> None:
        """Raises TbftError for images that are too large to be read here."""
        count, height, width, channels = self.shape
        self.bytes = DECODER_BYTES + _PIXEL_BYTES * height * width
        if self.shape[1:] != self.preprocessing.row_shape:
            self.bytes += self.preprocessing.working_bytes((width, height), 1)
        if self._fortran:
            # An image's bytes lie all over such a file.
            self.bytes += channels * count * height * width
        problem = too_many_pixels(width, height) or room(memory_budget).problem(self.bytes)
        if self._fortran and self.bytes > _MOST_UNSTREAMED:
            problem = "images in Fortran order are read at once, and these are too many for that"
        if problem:
            hint = "save them image by image: np.ascontiguousarray(images)" if self._fortran else "save smaller images"
            raise TbftError(f"images of '{self.path}' cannot be read: {problem}", hint)


def _whole(file: IO[bytes], shape: tuple[int, ...], path: Path) -> Iterator[np.ndarray]:
    """Images (H, W, C) of an array in Fortran order."""
    images = read_array(file, math.prod(shape), path).reshape(shape, order="F")
    for image in images:
        yield np.ascontiguousarray(image)


def _check_kind(arrays: Sequence[str], path: Path) -> None:
    found = [name for name in OF_SENSORS if f"{name}.npy" in arrays]
    if found and "images.npy" not in arrays:
        raise TbftError(f"'{path}' holds {found[0]} of a sensor, and no pictures", "give data with 'images'")


def _check_images(header: Header, path: Path, preprocessing: Preprocessing) -> None:
    if header.dtype != np.uint8 or not preprocessing.takes_arrays(header.shape):
        hint = "save RGB bytes" + (", or grey ones (N, H, W)" if preprocessing.takes_grey else "")
        raise TbftError(f"'images' of '{path}' is {header}, not uint8 (N, H, W, 3)", hint)
    if header.shape[0] > MOST_IMAGES:
        raise TbftError(f"'{path}' holds {header.shape[0]:,} images, more than {MOST_IMAGES:,}", "split it")
