"""Labelled images from an `.npz` file."""

from __future__ import annotations

import hashlib
import math
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from tbft_artifacts.check_names import MOST_CLASSES
from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import GREY
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.regular import open_regular
from tbft_runtime.data.bounds import DECODER_BYTES, room, too_many_pixels
from tbft_runtime.data.items import Item
from tbft_runtime.data.npy_header import Header, check_entry, read_header
from tbft_runtime.data.preprocessing import Preprocessing

# What reading an archive that is not what it says it is can raise.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError)
MOST_IMAGES = 10_000_000
_MOST_CLASS_BYTES = 16 << 20
_MOST_UNSTREAMED = 1 << 30
_PIECE = 1 << 20
# Of an image while it is scaled: its bytes, and Pillow's.
_PIXEL_BYTES = 7
_SAVE = "save it with np.savez(path, images=…, labels=…)"


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
        with _archive(path) as archive:
            entries = archive.infolist()
            if len({entry.filename for entry in entries}) < len(entries):
                raise TbftError(f"data '{path}' holds two arrays of one name", _SAVE)
            self._checksums = [(entry.filename, entry.CRC, entry.file_size) for entry in entries]
            with _array(archive, "images", path) as (_, header):
                _check_images(header, path, preprocessing)
                # Grey pixels may have an axis of their own channel, or none.
                self.shape = header.shape if len(header.shape) == 4 else (*header.shape, GREY)
                self._fortran = header.fortran
            self._check_size(memory_budget)
            most = np.iinfo(np.int64).max if classes is None else len(classes)
            self.labels = _labels(archive, self.shape[0], most, path)
            said = _class_names(archive, path)
        if classes is not None:
            _check_names(said, classes, path)
        self.classes: Sequence[str] | None = said if classes is None else classes

    def __len__(self) -> int:
        return self.shape[0]

    def items(self) -> Iterator[Item]:
        with _archive(self.path) as archive, _array(archive, "images", self.path) as (file, _):
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


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The opened archive. Raises TbftError for whatever reading it raises."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(_InPieces(file)) as archive:
            yield archive
    except MemoryError as error:
        raise TbftError(f"data '{path}' does not fit into memory", "split it, or save smaller images") from error
    except _DAMAGED as error:
        raise TbftError(f"data '{path}' cannot be read: {error}", "save it with np.savez, without objects") from error


class _InPieces:
    """A file of which nobody reads much at once: a list of contents of gigabytes is none that numpy wrote."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = _PIECE) -> bytes:
        if size > _PIECE:
            raise ValueError("its list of contents is too long")
        return self._file.read(size)


@contextmanager
def _array(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[tuple[IO[bytes], Header]]:
    """An array's file, at its first element, and its header. Raises TbftError where there is none."""
    try:
        entry = archive.getinfo(f"{name}.npy")
    except KeyError as error:
        raise TbftError(f"data '{path}' has no array '{name}'", _SAVE) from error
    try:
        check_entry(entry)
        with archive.open(entry) as file:
            yield file, read_header(file, entry.file_size)
    except ValueError as error:
        raise TbftError(f"'{name}' of '{path}' cannot be read: {error}", "save it with np.savez") from error


def read_exactly(file: IO[bytes], size: int, path: Path) -> bytes:
    """`size` bytes of a file inside the archive `path`; raises TbftError as `read_array` does."""
    return read_array(file, size, path).tobytes()


def read_array(file: IO[bytes], size: int, path: Path) -> np.ndarray:
    """(size,) bytes of a file inside the archive `path`.

    Raises TbftError where the file is shorter, or damaged (the archive's checksum).
    """
    content = np.empty(size, np.uint8)
    done = 0
    try:
        while done < size and (part := file.read(min(size - done, _PIECE))):
            content[done : done + len(part)] = np.frombuffer(part, np.uint8)
            done += len(part)
    except _DAMAGED as error:
        raise TbftError(f"data '{path}' is damaged: {error}", "copy it again") from error
    if done < size:
        raise TbftError(f"data '{path}' ends in the middle of an image", "copy it again")
    return content


def _whole(file: IO[bytes], shape: tuple[int, ...], path: Path) -> Iterator[np.ndarray]:
    """Images (H, W, C) of an array in Fortran order."""
    images = read_array(file, math.prod(shape), path).reshape(shape, order="F")
    for image in images:
        yield np.ascontiguousarray(image)


def _check_images(header: Header, path: Path, preprocessing: Preprocessing) -> None:
    if header.dtype != np.uint8 or not preprocessing.takes_arrays(header.shape):
        hint = "save RGB bytes" + (", or grey ones (N, H, W)" if preprocessing.takes_grey else "")
        raise TbftError(f"'images' of '{path}' is {header}, not uint8 (N, H, W, 3)", hint)
    if header.shape[0] > MOST_IMAGES:
        raise TbftError(f"'{path}' holds {header.shape[0]:,} images, more than {MOST_IMAGES:,}", "split it")


def _labels(archive: zipfile.ZipFile, count: int, classes: int, path: Path) -> np.ndarray:
    """(N,) int64."""
    if "labels.npy" not in archive.namelist():
        return np.full(count, NO_LABEL)
    with _array(archive, "labels", path) as (file, header):
        if header.dtype.kind not in "iu" or header.shape != (count,):
            raise TbftError(f"'labels' of '{path}' is {header}, not {count} integers", "one label per image")
        labels = read_array(file, header.bytes, path).view(header.dtype)
    # While they have their own type: the largest of unsigned numbers would become -1, no label.
    _check_range(labels, classes, path)
    return labels.astype(np.int64)


def _class_names(archive: zipfile.ZipFile, path: Path) -> list[str] | None:
    if "classes.npy" not in archive.namelist():
        return None
    with _array(archive, "classes", path) as (file, header):
        if header.dtype.kind not in "USiu" or len(header.shape) != 1:
            raise TbftError(f"'classes' of '{path}' is {header}, not a list of names", "save names as text")
        if header.shape[0] > MOST_CLASSES or header.bytes > _MOST_CLASS_BYTES or not header.bytes:
            raise TbftError(f"'classes' of '{path}' is {header}", f"name at most {MOST_CLASSES:,} classes")
        content = read_array(file, header.bytes, path)
        names = content.view(header.dtype)
    # numpy makes text of any numbers, which breaks wherever it is used.
    if header.dtype.kind == "U" and (content.view(header.dtype.byteorder + "u4") > sys.maxunicode).any():
        raise TbftError(f"'classes' of '{path}' holds what is no text", "save names as text")
    try:
        return [name.decode() if isinstance(name, bytes) else _text(name) for name in names.tolist()]
    except Exception as error:  # numpy raises more than ValueError for numbers that are no characters.
        raise TbftError(f"'classes' of '{path}' holds what is no text", "save names as text") from error


def _text(name: object) -> str:
    text = str(name)
    text.encode()  # Half a character could not be printed.
    return text


def _check_range(labels: np.ndarray, classes: int, path: Path) -> None:
    wrong = np.flatnonzero((labels < NO_LABEL) | (labels >= classes))
    if wrong.size:
        raise TbftError(
            f"label {labels[wrong[0]]} of image {wrong[0]} in '{path}' is out of range ({wrong.size} such labels)",
            f"labels go from 0 to {classes - 1}, and {NO_LABEL} means no label",
        )


def _check_names(names: Sequence[str] | None, classes: Sequence[str], path: Path) -> None:
    """If the file says class names, they must be the bundle's, unless the bundle only has numbers."""
    unnamed = list(classes) == [str(index) for index in range(len(classes))]
    if names is not None and not unnamed and list(names) != list(classes):
        raise TbftError(
            f"'classes' of '{path}' are {', '.join(names)}", f"the bundle's classes are {', '.join(classes)}"
        )
