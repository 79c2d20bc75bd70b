"""One data set as several devices would meet it: some images each, of some of the classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

SITES = 3


def write_sites(data: Path, folder: Path, classes: int, images: int) -> list[Path]:
    """An `.npz` for each of `SITES` devices, of so many images of `classes` of the classes; no image is in two.

    Classes go round, so that all of them are met by somebody.
    """
    with np.load(data) as found:
        arrays = {name: found[name] for name in ("images", "labels", "classes")}
    paths = []
    for number, indices in enumerate(shares(arrays["labels"], classes, images)):
        paths.append(folder / f"site{number}.npz")
        taken = {"images": arrays["images"][indices], "labels": arrays["labels"][indices]}
        np.savez(paths[-1], **taken, classes=arrays["classes"])
    return paths


def shares(labels: np.ndarray, classes: int, images: int) -> Iterator[np.ndarray]:
    """Indices of the images of each site."""
    known = np.unique(labels)
    free = np.ones(len(labels), bool)
    for number in range(SITES):
        first = number * len(known) // SITES
        own = known[(first + np.arange(classes)) % len(known)]
        candidates = np.flatnonzero(np.isin(labels, own) & free)
        taken = np.random.default_rng(number).permutation(candidates)[:images]
        free[taken] = False
        yield taken
