"""Labelled images of one size, the form that every data set of the experiments is brought to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError


@dataclass(frozen=True)
class LabelledImages:
    """`images` (N, S, S, 3) uint8 RGB, `labels` (N,) int64 from 0 to K − 1, `classes` K names.

    `images` may be mapped from a file: what `take` picks is read then.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return int(self.images.shape[1])

    def take(self, indices: np.ndarray) -> LabelledImages:
        """The images at `indices` (n,), in their order."""
        return LabelledImages(self.images[indices], self.labels[indices], self.classes)


def labelled_images(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str] | None, where: object
) -> LabelledImages:
    """Check images (N, S, S, 3) uint8 and integer labels (N,); without `classes` they are named 0, 1, 2 …

    `where` names the data in errors. Raises TbftError for anything else, and where there is no image.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (images.shape[1], images.shape[1], 3):
        raise TbftError(f"images of '{where}' are {images.dtype} {images.shape}, not uint8 (N, S, S, 3)", "square, RGB")
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise TbftError(
            f"labels of '{where}' are {labels.dtype} {labels.shape}, not {len(images)} integers", "one label per image"
        )
    if 0 in images.shape:
        raise TbftError(f"no images in '{where}'", "JPEG and PNG files, or an .npz with images")
    names = tuple(classes) if classes is not None else tuple(str(label) for label in range(int(labels.max()) + 1))
    wrong = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if wrong.size:
        raise TbftError(
            f"label {labels[wrong[0]]} of image {wrong[0]} in '{where}' is out of range ({wrong.size} such labels)",
            f"an experiment needs a label from 0 to {len(names) - 1} for every image",
        )
    if len(set(names)) != len(names):
        raise TbftError(f"class names of '{where}' repeat: {', '.join(names)}", "name each class once")
    return LabelledImages(images, labels.astype(np.int64), names)
