"""Living17: 17 kinds of animals, trained on two ImageNet classes of each, and met as two others.

Source: BREEDS (see breeds.py), over the pictures of ImageNet (ILSVRC2012).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import square_rgb
from tbft_artifacts.preprocessing import CenterCrop, Resize, ToRgb
from tbft_edge.reproduce.datasets.breeds import Superclass, read_hierarchy, superclasses
from tbft_edge.reproduce.datasets.downloads import BREEDS, IMAGENET
from tbft_edge.reproduce.datasets.images import LabelledImages, labelled_images
from tbft_edge.reproduce.datasets.living17_table import LIVING17
from tbft_runtime.data.items import Item
from tbft_runtime.data.pictures import PICTURE_SUFFIXES, read_picture
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.store import open_store

Domain = Literal["source", "target"]
Part = Literal["train", "val"]

SIDE = 128
_LIVING_THING = "n00004258"
# The authors' release does not say how a picture became 128 pixels; their fully connected layer says that it
# did. The library they take the data from cuts 224 pixels out of a shorter side of 256: the same share here.
_PREPARE = Preprocessing((ToRgb(), Resize(round(SIDE * 256 / 224)), CenterCrop(SIDE)), square_rgb(SIDE))


def load_living17(
    imagenet: Path,
    domain: Domain,
    cache: Path,
    part: Part = "train",
    table: Sequence[Superclass] = LIVING17,
    on_image: Callable[[], None] = lambda: None,
) -> LabelledImages:
    """The pictures (N, 128, 128, 3) of a domain, mapped from a file in the folder `cache`.

    Decoded the first time (`on_image` is called after each), and again if the pictures change. ImageNet's
    training part has 44,200 or fewer of a domain, 2.2 GB decoded. `imagenet` holds `train/<wnid>/*.JPEG` and
    `val/<wnid>/*.JPEG`, or is one of these folders.

    Raises TbftError if classes are missing, pictures cannot be read, or the disk is full.
    """
    source = _Pictures(*_find(imagenet, domain, part, table))
    store = open_store(source, _PREPARE.row_shape, cache, f"living17-{domain}-{part}", on_image)
    if store.skipped:
        raise TbftError(
            f"{len(store.skipped)} pictures of '{imagenet}' cannot be read: {', '.join(store.skipped[:5])}",
            "copy them again",
        )
    shape = (len(store.labels), SIDE, SIDE, 3)
    pixels = np.asarray(np.memmap(store.pixels.path, np.uint8, mode="r", shape=shape))
    return labelled_images(pixels, store.labels, source.classes, imagenet)


def check_hierarchy(folder: Path, table: Sequence[Superclass] = LIVING17) -> None:
    """Draw the task again from BREEDS's hierarchy files, as the robustness library's `make_living17` does.

    Raises TbftError if the files are missing or damaged, or the result is not the published `table`.
    """
    drawn = superclasses(read_hierarchy(folder), level=5, ancestor=_LIVING_THING, subclasses=4)
    found, published = ({row.wnid: (row.source, row.target) for row in rows} for rows in (drawn, table))
    differing = sorted(wnid for wnid in found.keys() | published.keys() if found.get(wnid) != published.get(wnid))
    if differing:
        raise TbftError(f"'{folder}' does not give Living17: {', '.join(differing[:5])} differ", BREEDS)


@dataclass(frozen=True)
class _Pictures:
    """Pictures in folders named by ImageNet class, an `ImageSource` for the store."""

    root: Path
    files: tuple[tuple[Path, int], ...]
    classes: tuple[str, ...]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def labels(self) -> np.ndarray:
        return np.array([label for _, label in self.files], np.int64)

    def items(self) -> Iterator[Item]:
        for file, label in self.files:
            yield Item(str(file.relative_to(self.root)), label, read_picture(file, _PREPARE))

    def fingerprint(self) -> str:
        """Of names, sizes and times: reading gigabytes to learn that nothing changed would take minutes."""
        listing = [(str(file.relative_to(self.root)), label, _stamp(file)) for file, label in self.files]
        return hashlib.sha256(repr((listing, _PREPARE)).encode()).hexdigest()[:16]


def _find(
    imagenet: Path, domain: Domain, part: Part, table: Sequence[Superclass]
) -> tuple[Path, tuple[tuple[Path, int], ...], tuple[str, ...]]:
    """(folder of the part, pictures with the labels of their superclasses, class names)."""
    root = imagenet / part if (imagenet / part).is_dir() else imagenet
    labels = {
        wnid: label for label, row in enumerate(table) for wnid in (row.source if domain == "source" else row.target)
    }
    try:
        files = {wnid: _pictures_in(root / wnid) for wnid in labels}
    except OSError as error:
        raise TbftError(f"'{error.filename}' cannot be read ({error.strerror})", "check its permissions") from error
    missing = sorted(wnid for wnid in labels if not files[wnid])
    if missing:
        others = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise TbftError(f"'{root}' has no pictures of {', '.join(missing[:5])}{others}", IMAGENET)
    pictures = tuple((file, labels[wnid]) for wnid in sorted(labels) for file in files[wnid])
    return root, pictures, tuple(row.name for row in table)


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
