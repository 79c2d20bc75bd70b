"""Write the drifted data sets of the demo: `python demo/make_data.py OUT`.

For each drift, OUT gets `<drift>_train.npz`, which a device may fine-tune and validate on, and
`<drift>_test.npz`, which nothing but the final evaluation ever reads.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

import numpy as np
from digits import Dataset, Drift, field_data


def write(data: Dataset, path: Path) -> None:
    """An `.npz` with arrays `images` (N, 32, 32, 3) uint8, `labels` (N,) int64 and `classes` (names)."""
    np.savez_compressed(path, images=data.images, labels=data.labels, classes=np.array(data.classes))


def main() -> None:
    """Write both files of every drift."""
    parser = argparse.ArgumentParser(description="Write the demo's drifted data sets.")
    parser.add_argument("out", type=Path, help="folder to write to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for drift in get_args(Drift):
        parts = field_data(drift)
        write(parts.first, out / f"{drift}_train.npz")
        write(parts.second, out / f"{drift}_test.npz")
        sys.stderr.write(f"{drift}: {len(parts.first)} images to train on, {len(parts.second)} held out\n")


if __name__ == "__main__":
    main()
