"""Labelled images from whatever the user has: CIFAR-10's batches, an `.npz`, or a folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.cifar10 import Part, batches_folder, read_cifar10
from tbft_edge.reproduce.datasets.images import LabelledImages, labelled_images
from tbft_runtime.data.preprocessing import AS_TAKEN
from tbft_runtime.data.sources import open_source

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


def open_images(path: Path, part: Part = "test") -> LabelledImages:
    """All images at `path`, in memory and in a fixed order; `part` chooses between CIFAR-10's two.

    An `.npz` and a folder per class have one part. Raises TbftError if there is nothing of that kind, images
    differ in size, cannot be read, or have no label.
    """
    folder = batches_folder(path)
    if folder is not None:
        return read_cifar10(folder, part)
    if path.is_file() and path.name.endswith(_ARCHIVES):
        raise TbftError(f"data '{path}' is an archive", "unpack it and give the folder")
    source = open_source(path, None, AS_TAKEN)
    items = list(source.items())
    unreadable = [item.name for item in items if item.pixels is None]
    if unreadable:
        raise TbftError(
            f"{len(unreadable)} images of '{path}' cannot be read: {', '.join(unreadable[:5])}",
            "replace or remove them",
        )
    pixels = [item.pixels for item in items if item.pixels is not None]
    if not pixels:
        raise TbftError(f"no images in '{path}'", "CIFAR-10's batches, an .npz, or a folder with a folder per class")
    odd = next((item for item, image in zip(items, pixels, strict=True) if image.shape != pixels[0].shape), None)
    if odd is not None:
        raise TbftError(f"'{odd.name}' of '{path}' has another size than '{items[0].name}'", "scale them to one size")
    return labelled_images(np.stack(pixels), np.array([item.label for item in items]), source.classes, path)
