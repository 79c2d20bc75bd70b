"""A drifted copy of a data set: every image corrupted, all else as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO
from zipfile import ZipFile, ZipInfo

import msgspec
import numpy as np
from PIL import Image

from tbft_artifacts.atomic import atomic_file, atomic_folder
from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import RGB
from tbft_artifacts.words import printable
from tbft_runtime.corruptions.corrupt import check_corruption, corrupt, images_at_once
from tbft_runtime.data.folder import FolderSource
from tbft_runtime.data.items import Item
from tbft_runtime.data.npz import NpzSource
from tbft_runtime.data.npz_archive import read_exactly
from tbft_runtime.data.preprocessing import AS_TAKEN
from tbft_runtime.data.sources import open_source
from tbft_runtime.progress import Progress, Silent

_IMAGES = "images.npy"
_COPIED_AT_ONCE = 1 << 20


class CorruptedData(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: the corruption, the images of the copy, and those that could not be read."""

    out: str
    corruption: str
    severity: int
    seed: int
    images: int
    skipped_images: tuple[str, ...]


class _Corruptor:
    """Corrupts images of a stream in batches, and notes which could not be read."""

    def __init__(self, corruption: str, severity: int, seed: int, progress: Progress) -> None:
        self.corruption = corruption
        self.severity = severity
        self.seed = seed
        self.progress = progress
        self.images = 0
        self.skipped: list[str] = []

    def stream(self, source: NpzSource | FolderSource) -> Iterator[tuple[str, np.ndarray]]:
        """Name and corrupted pixels (H, W, 3) of every readable image of `source`, in its order."""
        self.progress.begin("corrupting", len(source))
        for batch in _batches(enumerate(source.items())):
            readable = [(index, item.name, item.pixels) for index, item in batch if item.pixels is not None]
            self.skipped += [printable(item.name) for _, item in batch if item.pixels is None]
            self.images += len(readable)
            if readable:
                indices, names, pixels = zip(*readable, strict=True)
                images = corrupt(np.stack(pixels), self.corruption, self.severity, self.seed, np.array(indices))
                yield from zip(names, images, strict=True)
            self.progress.advance(len(batch))


def corrupt_data(
    data: Path, corruption: str, severity: int, seed: int, out: Path, progress: Progress | None = None
) -> CorruptedData:
    """Write a corrupted copy of `data`, an `.npz` or a folder with a folder per class, as `out`, the same kind.

    Of an `.npz` all other arrays are kept, and grey images become RGB. Pictures become PNG files in the same folders,
    unreadable ones are left out. An image's index is its place in the data, unreadable ones counted.

    Raises TbftError for bad parameters, data without a readable image, and an `out` that exists,
    lies in `data` or is of the other kind.
    """
    check_corruption(corruption, severity, seed)
    source = open_source(data, None, AS_TAKEN)
    if out.resolve().is_relative_to(data.resolve()):
        raise TbftError(f"'{out}' lies in the data itself", "choose another `out`")
    if out.exists():
        raise TbftError(f"'{out}' exists already", "remove it, or choose another `out`")
    corruptor = _Corruptor(corruption, severity, seed, progress or Silent())
    match source:
        case NpzSource():
            _write_npz(source, corruptor, out)
        case FolderSource():
            _write_folder(source, corruptor, out)
    return CorruptedData(
        out=str(out),
        corruption=corruption,
        severity=severity,
        seed=seed,
        images=corruptor.images,
        skipped_images=tuple(corruptor.skipped),
    )


def _write_npz(source: NpzSource, corruptor: _Corruptor, out: Path) -> None:
    if out.suffix != ".npz":
        raise TbftError(f"'{out}' does not end in .npz", "the copy of an .npz is an .npz")
    if not len(source):
        raise _no_images(source, corruptor)
    with atomic_file(out) as temporary, ZipFile(source.path) as before, ZipFile(temporary, "w") as after:
        for entry in before.infolist():
            # Not the time of today: the same command writes the same file.
            copied = ZipInfo(entry.filename)
            copied.compress_type = entry.compress_type
            with after.open(copied, "w", force_zip64=True) as file:
                if entry.filename == _IMAGES:
                    header = {"descr": "|u1", "fortran_order": False, "shape": (*source.shape[:3], RGB)}
                    np.lib.format.write_array_header_1_0(file, header)
                    for _, pixels in corruptor.stream(source):
                        file.write(pixels.tobytes())
                else:
                    _copy(before, entry, file, source.path)


def _copy(archive: ZipFile, entry: ZipInfo, target: IO[bytes], path: Path) -> None:
    with archive.open(entry) as file:
        for start in range(0, entry.file_size, _COPIED_AT_ONCE):
            target.write(read_exactly(file, min(_COPIED_AT_ONCE, entry.file_size - start), path))


def _write_folder(source: FolderSource, corruptor: _Corruptor, out: Path) -> None:
    if out.suffix == ".npz":
        raise TbftError(f"'{out}' is named like an .npz", "the copy of a folder is a folder")
    with atomic_folder(out) as temporary:
        written: set[Path] = set()
        for name, pixels in corruptor.stream(source):
            path = _png_path(temporary / name, written)
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path, "PNG")
            written.add(path)
        if not written:
            raise _no_images(source, corruptor)


def _png_path(path: Path, written: set[Path]) -> Path:
    """The picture's own name, ending in .png, and longer where a.jpg and a.png lie side by side."""
    target = path.with_suffix(".png")
    while target in written:
        path = path.with_name(f"{path.name}.png")
        target = path
    return target


def _no_images(source: NpzSource | FolderSource, corruptor: _Corruptor) -> TbftError:
    skipped = f", {len(corruptor.skipped)} could not be read" if corruptor.skipped else ""
    return TbftError(f"no images in '{source.path}'{skipped}", "JPEG and PNG files, or an .npz with images")


def _batches(items: Iterator[tuple[int, Item]]) -> Iterator[list[tuple[int, Item]]]:
    """Neighbours of one size, as many as are corrupted at once; unreadable ones are batches of their own."""
    batch: list[tuple[int, Item]] = []
    for index, item in items:
        if batch and (_shape(item) != _shape(batch[0][1]) or len(batch) == _most(item)):
            yield batch
            batch = []
        batch.append((index, item))
    if batch:
        yield batch


def _shape(item: Item) -> tuple[int, ...] | None:
    return None if item.pixels is None else item.pixels.shape


def _most(item: Item) -> int:
    return 1 if item.pixels is None else images_at_once(*item.pixels.shape[:2])
