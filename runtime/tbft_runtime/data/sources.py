"""Where labelled images come from: an `.npz` file or a folder with a folder per class."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from PIL import Image

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_runtime.data.preprocessing import Preprocessing

UNLABELLED = "unlabelled"
# What reading an archive that is not what it says it is can raise.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, MemoryError)
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True)
class Item:
    """One image: a name to show, its label or `NO_LABEL`, and pixels (S, S, 3), or None if unreadable."""

    name: str
    label: int
    pixels: np.ndarray | None


class ImageSource(Protocol):
    """Images in a fixed order, read one after the other."""

    @property
    def classes(self) -> Sequence[str] | None:
        """Names of the labels, or None where nothing says them."""

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64 of all images, unreadable ones included; `NO_LABEL` where there is none."""

    def __len__(self) -> int:
        """How many images there are, unreadable ones included."""

    def items(self) -> Iterator[Item]:
        """Read every image once."""

    def fingerprint(self) -> str:
        """A short hash that changes when the images or their labels do."""


def open_source(path: Path, classes: Sequence[str] | None, preprocessing: Preprocessing) -> ImageSource:
    """The images at `path`; without `classes`, of whatever classes they are.

    Raises TbftError if there is nothing to read, or labels and class names do not fit `classes`.
    """
    if path.is_dir():
        return FolderSource(path, classes, preprocessing)
    if path.suffix == ".npz" and path.is_file():
        return NpzSource(path, classes, preprocessing)
    problem = "does not exist" if not path.exists() else "is neither a folder nor an .npz file"
    raise TbftError(f"data '{path}' {problem}", "give an .npz (images, labels) or a folder with a folder per class")


class NpzSource:
    """`images` (N, H, W, 3) uint8 and `labels` (N,), streamed: one image is in memory at a time."""

    def __init__(self, path: Path, classes: Sequence[str] | None, preprocessing: Preprocessing) -> None:
        self.path = path
        self.preprocessing = preprocessing
        try:
            with zipfile.ZipFile(path) as archive:
                self._checksums = [(entry.filename, entry.CRC, entry.file_size) for entry in archive.infolist()]
                with archive.open("images.npy") as file:
                    shape, fortran, dtype = _read_header(file)
            with np.load(path, allow_pickle=False) as arrays:
                labels = arrays["labels"] if "labels" in arrays else np.full(shape[:1], NO_LABEL)
                names = [str(name) for name in arrays["classes"]] if "classes" in arrays else None
        except KeyError as error:
            raise TbftError(
                f"data '{path}' has no array 'images'", "save it with np.savez(path, images=…, labels=…)"
            ) from error
        except _DAMAGED as error:
            raise TbftError(
                f"data '{path}' cannot be read: {error}", "save it with np.savez, without objects"
            ) from error
        if dtype != np.uint8 or fortran or len(shape) != 4 or shape[3] != 3 or 0 in shape[1:3]:
            raise TbftError(f"'images' of '{path}' is {dtype} {shape}, not uint8 (N, H, W, 3)", "save RGB bytes")
        self.shape = shape
        self.labels = _check_labels(labels, shape[0], path)
        if classes is not None:
            _check_range(self.labels, len(classes), path)
            _check_names(names, classes, path)
        self.classes: Sequence[str] | None = names if classes is None else classes

    def __len__(self) -> int:
        return self.shape[0]

    def items(self) -> Iterator[Item]:
        size = int(np.prod(self.shape[1:]))
        with zipfile.ZipFile(self.path) as archive, archive.open("images.npy") as file:
            _read_header(file)
            for index, label in enumerate(self.labels):
                pixels = np.frombuffer(read_exactly(file, size, self.path), np.uint8).reshape(self.shape[1:])
                yield Item(f"{self.path.name}[{index}]", int(label), self.preprocessing.prepare_array(pixels))

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self._checksums).encode()).hexdigest()[:16]


class FolderSource:
    """A folder per class, named like the bundle's classes, and perhaps one named `unlabelled`."""

    def __init__(self, path: Path, classes: Sequence[str] | None, preprocessing: Preprocessing) -> None:
        self.path = path
        self.preprocessing = preprocessing
        try:
            folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
            if classes is None:
                classes = [folder.name for folder in folders if folder.name != UNLABELLED]
            labels = {name: index for index, name in enumerate(classes)} | {UNLABELLED: NO_LABEL}
            self.classes: Sequence[str] | None = classes
            unknown = [folder.name for folder in folders if folder.name not in labels]
            if unknown:
                raise TbftError(
                    f"folder '{path / unknown[0]}' is no class of the bundle",
                    f"classes: {', '.join(classes)}; images without a label go into '{UNLABELLED}'",
                )
            self._files = [
                (file, labels[folder.name])
                for folder in folders
                for file in sorted(folder.iterdir())
                if file.suffix.lower() in PICTURE_SUFFIXES
            ]
        except OSError as error:
            raise TbftError(
                f"data '{error.filename}' cannot be read ({error.strerror})", "check its permissions"
            ) from error

    def __len__(self) -> int:
        return len(self._files)

    @property
    def labels(self) -> np.ndarray:
        return np.array([label for _, label in self._files], np.int64)

    def items(self) -> Iterator[Item]:
        for file, label in self._files:
            yield Item(str(file.relative_to(self.path)), label, read_picture(file, self.preprocessing))

    def fingerprint(self) -> str:
        listing = [(str(file.relative_to(self.path)), label, _checksum(file)) for file, label in self._files]
        return hashlib.sha256(repr(listing).encode()).hexdigest()[:16]


def _checksum(file: Path) -> int | None:
    """The CRC of a file's bytes, or None if it cannot be read."""
    try:
        return zlib.crc32(file.read_bytes())
    except OSError:
        return None


def read_picture(file: Path, preprocessing: Preprocessing) -> np.ndarray | None:
    """The prepared pixels (S, S, 3) of a JPEG or PNG file, or None if it cannot be decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About damaged EXIF data, which does no harm.
            # A picture that unpacks to hundreds of megabytes is an attack or a mistake.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=("JPEG", "PNG")) as picture:
                return preprocessing.prepare(picture)
    except Exception:  # Damaged files lead decoders to struct.error, AttributeError and others too.
        return None


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def read_exactly(file: IO[bytes], size: int, path: Path) -> bytes:
    """`size` bytes of a file inside the archive `path`.

    Raises TbftError where the file is shorter, or damaged (the archive's checksum).
    """
    parts = []
    try:
        while size and (part := file.read(size)):
            parts.append(part)
            size -= len(part)
    except _DAMAGED as error:
        raise TbftError(f"data '{path}' is damaged: {error}", "copy it again") from error
    if size:
        raise TbftError(f"data '{path}' ends in the middle of an image", "copy it again")
    return b"".join(parts)


def _check_labels(labels: np.ndarray, count: int, path: Path) -> np.ndarray:
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise TbftError(
            f"'labels' of '{path}' is {labels.dtype} {labels.shape}, not {count} integers", "one label per image"
        )
    return labels.astype(np.int64)


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
