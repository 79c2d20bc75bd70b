"""What lies in an `.npz` file beside pictures or signals, read within bounds: arrays, labels and class names."""

from __future__ import annotations

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
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.regular import open_regular
from tbft_runtime.data.npy_header import Header, check_entry, read_header

# What reading an archive that is not what it says it is can raise.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError)
MOST_IMAGES = 10_000_000
# Arrays that are a sensor's.
OF_SENSORS = ("windows", "patches")
_MOST_CLASS_BYTES = 16 << 20
_PIECE = 1 << 20


@contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The opened archive. Raises TbftError for whatever reading it raises."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(_InPieces(file)) as archive:
            yield archive
    except MemoryError as error:
        raise TbftError(f"data '{path}' does not fit into memory", "split it") from error
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
def array_in(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[tuple[IO[bytes], Header]]:
    """An array's file, at its first element, and its header. Raises TbftError where there is none."""
    try:
        entry = archive.getinfo(f"{name}.npy")
    except KeyError as error:
        raise TbftError(f"data '{path}' has no array '{name}'", save_hint(name)) from error
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
        raise TbftError(f"data '{path}' ends in the middle of an array", "copy it again")
    return content


def labels_in(archive: zipfile.ZipFile, count: int, classes: Sequence[str] | None, path: Path) -> np.ndarray:
    """(N,) int64: numbers of `classes`, or any where these are not known."""
    if "labels.npy" not in archive.namelist():
        return np.full(count, NO_LABEL)
    with array_in(archive, "labels", path) as (file, header):
        if header.dtype.kind not in "iu" or header.shape != (count,):
            raise TbftError(
                f"'labels' of '{path}' is {header}, not {count} integers",
                "give numbers, and names beside them: classes, labels = np.unique(names, return_inverse=True)"
                if header.dtype.kind in "US"
                else "give one label for each",
            )
        labels = read_array(file, header.bytes, path).view(header.dtype)
    # While they have their own type: the largest of unsigned numbers would become -1, no label.
    most = np.iinfo(np.int64).max if classes is None else len(classes)
    _check_range(labels, most, path)
    return labels.astype(np.int64)


def class_names_in(archive: zipfile.ZipFile, path: Path) -> list[str] | None:
    """Names of the labels, if the file says them. Raises TbftError for what are none."""
    if "classes.npy" not in archive.namelist():
        return None
    with array_in(archive, "classes", path) as (file, header):
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
            f"label {labels[wrong[0]]} of item {wrong[0]} in '{path}' is out of range ({wrong.size} such labels)",
            f"labels go from 0 to {classes - 1}, and {NO_LABEL} means no label",
        )


def check_names(names: Sequence[str] | None, classes: Sequence[str], path: Path) -> None:
    """If the file says class names, they must be the bundle's, unless the bundle only has numbers."""
    unnamed = list(classes) == [str(index) for index in range(len(classes))]
    if names is not None and not unnamed and list(names) != list(classes):
        raise TbftError(
            f"'classes' of '{path}' are {', '.join(names)}", f"the bundle's classes are {', '.join(classes)}"
        )


def save_hint(name: str) -> str:
    """How the array of that name and its labels are saved."""
    return f"save it with np.savez(path, {name}=…, labels=…)"


def checksums_in(archive: zipfile.ZipFile, path: Path) -> list[tuple[str, int, int]]:
    """Name, CRC-32 and size of every array. Raises TbftError where two have one name."""
    entries = archive.infolist()
    if len({entry.filename for entry in entries}) < len(entries):
        raise TbftError(f"data '{path}' holds two arrays of one name", save_hint("images"))
    return [(entry.filename, entry.CRC, entry.file_size) for entry in entries]


def known_classes(archive: zipfile.ZipFile, classes: Sequence[str] | None, path: Path) -> Sequence[str] | None:
    """The bundle's classes, with which those that the file names have to agree, or without them the file's."""
    said = class_names_in(archive, path)
    if classes is not None:
        check_names(said, classes, path)
    return said if classes is None else classes
