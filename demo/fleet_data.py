"""Write what the fleet's demo needs: `python demo/fleet_data.py OUT`.

Each board has photos of 4 of the 10 digits; no image is on two of them, and those that are held out are on none.
`photos/BOARD.npz` says what they mean at first, `renamed/BOARD.npz` later, when y is 9 - y; `held-out.npz` and
`held-out-renamed.npz` likewise. `mixed-up.npz` is what somebody trains a bad release on: every label is one too high.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from digits import Dataset, permute_labels, source_and_field, split
from fleet_place import BOARDS
from make_data import write

from benchmarks.fleet.sites import shares

POOL, PHOTOS, CLASSES, SEED = 360, 60, 4, 20261201


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description="Write what the fleet's demo needs.")
    parser.add_argument("out", type=Path, help="folder to write to")
    out: Path = parser.parse_args().out
    parts = source_and_field()
    field = split(parts.second, POOL, SEED)
    for folder in ("photos", "renamed"):
        (out / folder).mkdir(exist_ok=True)
    for board, indices in zip(BOARDS, shares(field.first.labels, CLASSES, PHOTOS), strict=True):
        photos = field.first.take(indices)
        write(photos, out / "photos" / f"{board}.npz")
        write(permute_labels(photos), out / "renamed" / f"{board}.npz")
    write(field.second, out / "held-out.npz")
    write(permute_labels(field.second), out / "held-out-renamed.npz")
    write(_mixed_up(split(parts.first, POOL, SEED).first), out / "mixed-up.npz")


def _mixed_up(data: Dataset) -> Dataset:
    """Every label one too high, as a list that slipped by a line has them."""
    return Dataset(data.images, (data.labels + 1) % len(data.classes), data.classes)


if __name__ == "__main__":
    main()
