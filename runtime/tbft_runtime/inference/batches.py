"""Images in batches, as models answer them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tbft_runtime.data.sources import Item

BATCH = 32


def in_batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """At most `BATCH` at a time, in order."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def pixels_of(items: list[Item]) -> np.ndarray:
    """(N, S, S, 3) uint8 of those that could be read."""
    return np.stack([item.pixels for item in items if item.pixels is not None])
