"""Rows of one shape and type, kept in a file or in memory, read and written in any order."""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

# `os.preadv` or `os.pwritev`: file, buffers, offset -> how many bytes it was.
Transfer = Callable[[int, list[memoryview], int], int]


class Rows(Protocol):
    """What can be asked of rows, wherever they lie."""

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """A new array (n, *shape) with the rows of those numbers (n,); rows that were never written hold anything."""

    def write(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        """Put `rows` (n, *shape) at those numbers (n,)."""

    def flush(self) -> None:
        """Return when everything that was written will survive a pulled plug, if the place can promise that."""


class MemoryRows:
    """Rows in memory; the system gives pages out as they are written."""

    def __init__(self, count: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._rows = np.empty((count, *shape), dtype)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        rows: np.ndarray = self._rows[numbers]
        return rows

    def write(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        self._rows[numbers] = rows

    def flush(self) -> None: ...


class FileRows:
    """Rows in a file, one behind the other, row 0 first.

    The file is not mapped: the pages of a mapping that were read count as the process's memory, which
    would grow with the rows. Every method raises OSError where the disk fails, is full, or the file ends early.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype, *, writable: bool = False) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self.row_bytes = row_bytes(shape, dtype)
        # Never what a link leads to: that would be somebody else's file.
        access = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW if writable else os.O_RDONLY
        self._file = os.open(path, access | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self._file)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        rows = np.empty((len(numbers), *self.shape), self.dtype)
        for number, row in zip(numbers.tolist(), self._bytes(rows), strict=True):
            self._all_of(os.preadv, row, number)
        return rows

    def write(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        for number, row in zip(numbers.tolist(), self._bytes(rows), strict=True):
            self._all_of(os.pwritev, row, number)

    def flush(self) -> None:
        os.fsync(self._file)

    def clear(self) -> None:
        """Give the disk back what the rows took."""
        os.ftruncate(self._file, 0)

    def _bytes(self, rows: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(rows, self.dtype).view(np.uint8).reshape(len(rows), self.row_bytes)

    def _all_of(self, transfer: Transfer, row: np.ndarray, number: int) -> None:
        """The system may transfer a part of a row only, and then says how much."""
        done = 0
        while done < self.row_bytes:
            count = transfer(self._file, [row.data[done:]], number * self.row_bytes + done)
            if not count:
                raise OSError(errno.EIO, f"the file ends before row {number}", str(self.path))
            done += count


def row_bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Bytes of one row."""
    return int(np.prod(shape)) * dtype.itemsize
