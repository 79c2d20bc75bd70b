"""CIFAR-10 as its authors publish it: five training batches and a test batch, pickled by Python 2.

Source: https://www.cs.toronto.edu/~kriz/cifar.html, "CIFAR-10 python version".
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.downloads import CIFAR10
from tbft_edge.reproduce.datasets.images import LabelledImages, labelled_images
from tbft_edge.reproduce.datasets.safe_pickle import read_batch

Part = Literal["train", "test"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar-10-batches-py"
SIDE = 32
_META = "batches.meta"
_FILES: dict[Part, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test": ("test_batch",),
}


def batches_folder(path: Path) -> Path | None:
    """The folder of CIFAR-10's batches, if `path` is it or its parent."""
    for folder in (path, path / FOLDER):
        if any((folder / name).is_file() for name in (_META, *_FILES["train"], *_FILES["test"])):
            return folder
    return None


def read_cifar10(folder: Path, part: Part) -> LabelledImages:
    """The images (50,000 or 10,000, 32, 32, 3) of a part, in the order of its files.

    Raises TbftError if files are missing, damaged, or hold anything but CIFAR-10.
    """
    missing = [name for name in (_META, *_FILES[part]) if not (folder / name).is_file()]
    if missing:
        raise TbftError(f"'{folder}' has no {', '.join(missing)}", CIFAR10)
    classes = _class_names(folder / _META)
    images, labels = zip(*(_read_images(folder / name) for name in _FILES[part]), strict=True)
    return labelled_images(np.concatenate(images), np.concatenate(labels), classes, folder)


def as_cifar10(images: LabelledImages, where: object) -> LabelledImages:
    """The same images with CIFAR-10's class names, if labels mean what they mean there.

    Raises TbftError where the classes are others, or the images have not 32 pixels.
    """
    unnamed = images.classes == tuple(str(label) for label in range(len(images.classes)))
    if images.classes != CLASSES and not (unnamed and len(images.classes) <= len(CLASSES)):
        raise TbftError(
            f"the classes of '{where}' are {', '.join(images.classes)}", f"CIFAR-10's are {', '.join(CLASSES)}"
        )
    if images.size != SIDE:
        raise TbftError(f"the images of '{where}' have {images.size} pixels", f"CIFAR-10's have {SIDE}")
    return LabelledImages(images.images, images.labels, CLASSES)


def _class_names(path: Path) -> list[str]:
    names = read_batch(path).get("label_names")
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise TbftError(f"'{path}' has no label_names", CIFAR10)
    return [name.decode() if isinstance(name, bytes) else name for name in names]


def _read_images(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A row is 1,024 red, 1,024 green and 1,024 blue bytes -> (images (N, 32, 32, 3), labels (N,))."""
    batch = read_batch(path)
    data, labels = batch.get("data"), batch.get("labels")
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3 * SIDE**2:
        raise TbftError(f"'data' of '{path}' is not (N, {3 * SIDE**2}) bytes", CIFAR10)
    if not isinstance(labels, list) or len(labels) != len(data) or not all(isinstance(label, int) for label in labels):
        raise TbftError(f"'labels' of '{path}' are not {len(data)} numbers", CIFAR10)
    return data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), np.array(labels, np.int64)
