"""Write what the fleet's demo needs: `python demo/fleet_data.py OUT`.

Each board has photos of 5 of the 10 digits; no image is on two of them, and those that are held out are on none.
`photos/BOARD.npz` says what they mean at first, `renamed/BOARD.npz` of boards of the porch later, when y is 9 - y;
`held-out.npz` and `held-out-renamed.npz` likewise. `mixed-up.npz` is what somebody trains a bad release on: every label
is one too high.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from digits import Dataset, permute_labels, source_and_field, split
from fleet_place import GROUPS, PORCH
from make_data import write

POOL, PHOTOS, SEED = 360, 60, 20261201
# Those of the porch see all ten between them, and none of them sees more than half.
DIGITS = {"pi1": (0, 1, 2, 3, 4), "pi2": (5, 6, 7, 8, 9), "pi3": (0, 2, 4, 6, 8)}


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description="Write what the fleet's demo needs.")
    parser.add_argument("out", type=Path, help="folder to write to")
    out: Path = parser.parse_args().out
    parts = source_and_field()
    field = split(parts.second, POOL, SEED)
    for folder in ("photos", "renamed"):
        (out / folder).mkdir(exist_ok=True)
    for board, photos in _photos(field.first):
        write(photos, out / "photos" / f"{board}.npz")
        if GROUPS[board] == PORCH:
            write(permute_labels(photos), out / "renamed" / f"{board}.npz")
    write(field.second, out / "held-out.npz")
    write(permute_labels(field.second), out / "held-out-renamed.npz")
    write(_mixed_up(split(parts.first, POOL, SEED).first), out / "mixed-up.npz")


def _photos(pool: Dataset) -> Iterator[tuple[str, Dataset]]:
    """Of each board some of its digits, in the balanced order of the pool."""
    free = np.ones(len(pool), bool)
    for board, digits in DIGITS.items():
        indices = np.flatnonzero(np.isin(pool.labels, digits) & free)[:PHOTOS]
        free[indices] = False
        yield board, pool.take(indices)


def _mixed_up(data: Dataset) -> Dataset:
    """Every label one too high, as a list that slipped by a line has them."""
    return Dataset(data.images, (data.labels + 1) % len(data.classes), data.classes)


if __name__ == "__main__":
    main()
