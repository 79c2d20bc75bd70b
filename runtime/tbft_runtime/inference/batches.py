"""Images in batches, as models answer them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from tbft_runtime.data.items import Item

BATCH = 32

_Image = TypeVar("_Image")


def in_batches(images: Iterable[_Image]) -> Iterator[list[_Image]]:
    """At most `BATCH` at a time, in order."""
    batch: list[_Image] = []
    for image in images:
        batch.append(image)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def pixels_of(items: list[Item]) -> np.ndarray:
    """(N, S, S, 3) uint8 of those that could be read."""
    return np.stack([item.pixels for item in items if item.pixels is not None])
