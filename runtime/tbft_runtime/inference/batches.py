"""Images in batches, as models answer them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from tbft_artifacts.input_shape import InputShape
from tbft_runtime.data.items import Item

# More at once are hardly faster, and take more memory: each value is four bytes of a network's input.
_MOST_IMAGES, _MOST_VALUES = 32, 32 * 3 * 256**2

_Image = TypeVar("_Image")


def images_per_batch(shape: InputShape) -> int:
    """How many images of a shape a model is given at a time."""
    return max(1, min(_MOST_IMAGES, _MOST_VALUES // shape.values))


def in_batches(images: Iterable[_Image], shape: InputShape) -> Iterator[list[_Image]]:
    """Some at a time, in order: as many as a model is given."""
    return so_many(images, images_per_batch(shape))


def so_many(images: Iterable[_Image], most: int) -> Iterator[list[_Image]]:
    """So many at a time, in order."""
    batch: list[_Image] = []
    for image in images:
        batch.append(image)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def pixels_of(items: list[Item]) -> np.ndarray:
    """(N, H, W, C) uint8 of those that could be read."""
    return np.stack([item.pixels for item in items if item.pixels is not None])
