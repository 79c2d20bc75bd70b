"""Labelled images from a folder with a folder per class."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL, UNLABELLED
from tbft_runtime.data.bounds import Room, room
from tbft_runtime.data.items import Item
from tbft_runtime.data.listing import class_folders, is_of_system, pictures_in, unreadable
from tbft_runtime.data.pictures import DAMAGED, Picture, checksum, read
from tbft_runtime.data.preprocessing import Preprocessing


class FolderSource:
    """A folder per class, named like the bundle's classes, and perhaps one named `unlabelled`.

    With `takes_loose` pictures that lie beside such folders will do, where these hold none: they have no label.
    """

    # What lies in the folders.
    kind = "pictures"

    def __init__(
        self,
        path: Path,
        classes: Sequence[str] | None,
        preprocessing: Preprocessing,
        memory_budget: int | None = None,
        *,
        takes_loose: bool = False,
    ) -> None:
        self.path = path
        self.preprocessing = preprocessing
        self.memory_budget = memory_budget
        # Of the pictures as they were read last.
        self._checksums: list[int | None] = []
        try:
            names = [folder.name for folder in path.iterdir() if folder.is_dir()]
            folders = sorted(name for name in names if not name.startswith("."))
            if classes is None:
                classes = class_folders(path)
            labels = {name: index for index, name in enumerate(classes)} | {UNLABELLED: NO_LABEL}
            self.classes: Sequence[str] | None = classes
            folders = [name for name in folders if name in labels or not is_of_system(name)]
            unknown = [name for name in folders if name not in labels]
            if unknown:
                raise TbftError(
                    f"folder '{path / unknown[0]}' is no class of the bundle",
                    f"classes: {', '.join(classes)}; images without a label go into '{UNLABELLED}'",
                )
            self._files = [(file, labels[name]) for name in folders for file in self._listed(path / name)]
            outside = [] if self._files else self._listed(path)
        except OSError as error:
            raise unreadable(error) from error
        if takes_loose:
            self._files += [(file, NO_LABEL) for file in outside]
        elif outside:
            raise _without_classes(path, f"{len(outside)} {self.kind}", classes)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self._files)

    @property
    def labels(self) -> np.ndarray:
        return np.array([label for _, label in self._files], np.int64)

    def items(self) -> Iterator[Item]:
        there_is = room(self.memory_budget)
        checksums = []
        for file, label in self._files:
            picture = self._read(file, there_is)
            checksums.append(picture.checksum)
            problem = "" if picture.problem == DAMAGED else picture.problem
            yield Item(str(file.relative_to(self.path)), label, picture.pixels, problem, picture.bytes)
        self._checksums = checksums

    def _listed(self, folder: Path) -> list[Path]:
        return pictures_in(folder)

    def _read(self, file: Path, there_is: Room) -> Picture:
        return read(file, self.preprocessing, there_is)

    def fingerprint(self) -> str:
        if len(self._checksums) != len(self._files):
            self._checksums = [checksum(file) for file, _ in self._files]
        listing = [
            (str(file.relative_to(self.path)), label, found)
            for (file, label), found in zip(self._files, self._checksums, strict=True)
        ]
        return hashlib.sha256(repr(listing).encode()).hexdigest()[:16]


def _without_classes(path: Path, found: str, classes: Sequence[str]) -> TbftError:
    """How folders have to lie."""
    example, unlabelled = path / (*classes, UNLABELLED)[0], path / UNLABELLED
    return TbftError(
        f"'{path}' holds {found}, and none in the folder of a class",
        f"give the folder above it: '{path.parent}'"
        if path.name in classes
        else f"put each into a folder named like its class, such as '{example}', or, without a label, '{unlabelled}'",
    )
