"""Labelled windows and patches of sensors from an `.npz` file."""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tbft_artifacts.errors import TbftError
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
    save_hint,
)
from tbft_runtime.data.preprocessing import Preprocessing

# Where values may lie, the first of them that is there.
ARRAYS = (*OF_SENSORS, "images")
NOT_FINITE = "it holds what are no finite numbers"


class NpzSignals:
    """`windows` (N, C, L) or `patches` (N, C, H, W), float32 or int16, and `labels` (N,), read one after the other."""

    def __init__(self, path: Path, classes: Sequence[str] | None, preprocessing: Preprocessing) -> None:
        self.path = path
        self._shape = preprocessing.row_shape
        with opened_archive(path) as archive:
            self._checksums = checksums_in(archive, path)
            self._array = _name(archive, path)
            with array_in(archive, self._array, path) as (_, header):
                _check(header, self._array, preprocessing, path)
            self.dtype = header.dtype
            self._count = header.shape[0]
            self.labels = labels_in(archive, self._count, classes, path)
            self.classes: Sequence[str] | None = known_classes(archive, classes, path)

    def __len__(self) -> int:
        return self._count

    def items(self) -> Iterator[Item]:
        size = math.prod(self._shape) * self.dtype.itemsize
        with opened_archive(self.path) as archive, array_in(archive, self._array, self.path) as (file, _):
            for index, label in enumerate(self.labels):
                values = read_array(file, size, self.path).view(self.dtype).reshape(self._shape)
                name = f"{self.path.name}[{index}]"
                if np.isfinite(values).all():
                    yield Item(name, int(label), values, bytes=size)
                else:
                    yield Item(name, int(label), None, NOT_FINITE, size)

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self._checksums).encode()).hexdigest()[:16]


def _name(archive: zipfile.ZipFile, path: Path) -> str:
    there = archive.namelist()
    for name in ARRAYS:
        if f"{name}.npy" in there:
            return name
    raise TbftError(f"data '{path}' has none of the arrays {', '.join(ARRAYS)}", save_hint(ARRAYS[0]))


def _check(header: Header, name: str, preprocessing: Preprocessing, path: Path) -> None:
    types = preprocessing.signal_types
    if header.dtype not in map(np.dtype, types) or not preprocessing.takes_signals(header.shape):
        shape = preprocessing.shape
        taken = (shape.channels, shape.width) if shape.height == 1 else tuple(shape)
        raise TbftError(
            f"'{name}' of '{path}' is {header}, and the network takes ({', '.join(['N', *map(str, taken)])})",
            f"save {' or '.join(types)} values in that shape",
        )
    if header.fortran:
        raise TbftError(
            f"'{name}' of '{path}' is in Fortran order", f"save it one by one: np.ascontiguousarray({name})"
        )
    if header.shape[0] > MOST_IMAGES:
        raise TbftError(f"'{path}' holds {header.shape[0]:,} {name}, more than {MOST_IMAGES:,}", "split it")
