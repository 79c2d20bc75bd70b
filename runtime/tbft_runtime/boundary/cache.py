"""Boundary activations by number of the image, in memory or on the disk, as far as there is room."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import PRIVATE_FILE
from tbft_runtime.data.rows import FileRows, MemoryRows, Rows, row_bytes
from tbft_runtime.progress import Progress

_NAME = "activations"
# A bit, and a checksum of four bytes in base64, for each image.
_LIMIT = 64 * MIB
_CHECKSUM = np.dtype("<u4")


@dataclass(frozen=True)
class RowKind:
    """How many images there are, and what one row holds."""

    images: int
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Of one row."""
        return row_bytes(self.shape, self.dtype)


class BoundaryCache:
    """Rows that were written, and which ones those are.

    Images with a number below `room` are kept. A disk that fails or gets full makes the cache smaller,
    and never the run fail: what is not `found` has to be computed again.
    """

    def __init__(self, kind: RowKind, room: int, rows: Rows, progress: Progress) -> None:
        self.kind = kind
        self.room = room
        self.found = np.zeros(kind.images, bool)
        self._rows = rows
        self._progress = progress

    def read(self, numbers: np.ndarray) -> np.ndarray | None:
        """The rows (n, *shape) of images that are all `found`.

        None if they have to be computed again: the disk fails, and then nothing is found, or some are damaged.
        """
        try:
            return self._rows.read(numbers)
        except OSError as error:
            self.found[:] = False
            self._stop(error)
            return None

    def write(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        """Keep `rows` (n, *shape) as far as there is room."""
        kept = numbers < self.room
        if not kept.any():
            return
        try:
            self._rows.write(numbers[kept], rows[kept])
        except OSError as error:
            self._stop(error)
        else:
            self.found[numbers[kept]] = True

    def save(self) -> None:
        """Make what was written outlast the process, where the rows are a file."""

    def give_way(self) -> bool:
        """Free the disk for something that matters more; whether that freed anything."""
        return False

    def _stop(self, error: OSError) -> None:
        self.room = 0
        self._progress.note(
            f"the activation cache stops growing at {self.found.sum():,} of {self.kind.images:,} "
            f"({error.strerror}); the rest is computed again each epoch"
        )


class _Index(msgspec.Struct, frozen=True):
    """Which rows of the file beside it may be believed: one bit per image, and the CRC-32 of each row (<u4)."""

    key: str
    found: bytes
    checksums: bytes


class DiskCache(BoundaryCache):
    """Rows in a file, and an index of those that are known to be on the disk: written after they were flushed.

    Rows that an earlier process left are checked when they are first read: disks rot. File names hold the key, so an
    index never speaks of rows that were made of something else.
    """

    def __init__(self, kind: RowKind, room: int, folder: Path, key: str, progress: Progress) -> None:
        rows_path, self._index_path = _paths(folder, key)
        rows = FileRows(rows_path, kind.shape, kind.dtype, writable=True)
        super().__init__(kind, room, rows, progress)
        self._key = key
        self._file = rows
        self._saved, self._checksums = _read_index(self._index_path, key, kind, rows_path.stat().st_size)
        self.found = self._saved.copy()
        self._unchecked = self._saved.copy()
        self._is_told = False
        if not self.found.any():
            _forget(self._index_path)

    def read(self, numbers: np.ndarray) -> np.ndarray | None:
        rows = super().read(numbers)
        if rows is None:
            return None
        unchecked = self._unchecked[numbers]
        self._unchecked[numbers] = False
        damaged = numbers[unchecked][_checksums(rows[unchecked]) != self._checksums[numbers[unchecked]]]
        if not damaged.size:
            return rows
        self.found[damaged] = self._saved[damaged] = False
        if not self._is_told:
            self._is_told = True
            self._progress.note(f"'{self._file.path}' is damaged: activations that were in it are computed again")
        return None

    def write(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        super().write(numbers, rows)
        written = self.found[numbers]
        self._checksums[numbers[written]] = _checksums(np.asarray(rows[written], self.kind.dtype))
        self._unchecked[numbers] = False

    def save(self) -> None:
        if np.array_equal(self.found, self._saved):
            return
        try:
            self._file.flush()
        except OSError as error:
            # What the system still held may be lost.
            self.found &= self._saved
            self._stop(error)
            return
        # Without an index the rows serve this process only.
        with contextlib.suppress(TbftError, OSError), atomic_file(self._index_path, mode=PRIVATE_FILE) as temporary:
            index = _Index(self._key, np.packbits(self.found).tobytes(), self._checksums.tobytes())
            temporary.write_bytes(msgspec.json.encode(index))
        self._saved = self.found.copy()

    def give_way(self) -> bool:
        if not self.found.any():
            return False
        _forget(self._index_path)
        self.found[:] = self._saved[:] = False
        self.room = 0
        self._file.clear()
        self._progress.note("the disk is full: the activation cache gave way, and activations are computed each epoch")
        return True


def in_memory(kind: RowKind, room: int, progress: Progress) -> BoundaryCache:
    """An empty cache in memory."""
    return BoundaryCache(kind, room, MemoryRows(room, kind.shape, kind.dtype), progress)


def stored_bytes(folder: Path, key: str) -> int:
    """How much of the disk the rows with that key take already; rows and indices with any other are removed."""
    rows, index = _paths(folder, key)
    for path in folder.glob(f"{_NAME}-*"):
        if path not in (rows, index):
            path.unlink()
    return rows.stat().st_blocks * 512 if rows.exists() else 0


def _paths(folder: Path, key: str) -> tuple[Path, Path]:
    return folder / f"{_NAME}-{key[:32]}.rows", folder / f"{_NAME}-{key[:32]}.json"


def _forget(index: Path) -> None:
    """Remove an index for good, before its rows change: a pulled plug must not bring it back."""
    index.unlink(missing_ok=True)
    flush(index.parent)


def _read_index(path: Path, key: str, kind: RowKind, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows that a file of `size` bytes has by its index, (images,) bool, and their checksums, (images,) <u4.

    None if index and file do not fit.
    """
    nothing = np.zeros(kind.images, bool), np.zeros(kind.images, _CHECKSUM)
    try:
        index = decode(
            read_at_most(path, _LIMIT), _Index, _LIMIT, failed=f"'{path}' is damaged", hint="it is made again"
        )
    except (OSError, TbftError):
        return nothing
    bits = np.unpackbits(np.frombuffer(index.found, np.uint8))
    if index.key != key or not 0 <= len(bits) - kind.images < 8:
        return nothing
    if len(index.checksums) != kind.images * _CHECKSUM.itemsize:
        return nothing
    found = bits[: kind.images].astype(bool)
    last = int(np.flatnonzero(found)[-1]) + 1 if found.any() else 0
    return (found, np.frombuffer(index.checksums, _CHECKSUM).copy()) if last * kind.bytes <= size else nothing


def _checksums(rows: np.ndarray) -> np.ndarray:
    return np.array([zlib.crc32(np.ascontiguousarray(row).data) for row in rows], _CHECKSUM)
