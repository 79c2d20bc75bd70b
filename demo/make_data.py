"""Write the drifted data sets of the demo: `python demo/make_data.py OUT`.

For each drift, OUT gets `<drift>_train.npz`, which a device may fine-tune and validate on, and
`<drift>_test.npz`, which nothing but the final evaluation ever reads; `no-labels_*.npz` has another drift of the input,
to be trained on without labels, and `new-class_*.npz` a digit that the network does not know.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

import numpy as np
from digits import Dataset, Drift, field_data, new_class_data, unlabelled_data


def write(data: Dataset, path: Path) -> None:
    """An `.npz` with arrays `images` (N, 32, 32, 3) uint8, `labels` (N,) int64 and `classes` (names)."""
    np.savez_compressed(path, images=data.images, labels=data.labels, classes=np.array(data.classes))


def main() -> None:
    """Write both files of every drift, and those of what is learned with few labels or none."""
    parser = argparse.ArgumentParser(description="Write the demo's drifted data sets.")
    parser.add_argument("out", type=Path, help="folder to write to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    source, parts = new_class_data()
    write(source, out / "new-class_source.npz")
    write(parts.first, out / "new-class_train.npz")
    write(parts.second, out / "new-class_test.npz")
    dim = unlabelled_data()
    write(dim.first, out / "no-labels_train.npz")
    write(dim.second, out / "no-labels_test.npz")
    sys.stderr.write(f"a new class: {len(parts.first)} images of it, {len(parts.second)} of all held out\n")
    for drift in get_args(Drift):
        parts = field_data(drift)
        write(parts.first, out / f"{drift}_train.npz")
        write(parts.second, out / f"{drift}_test.npz")
        sys.stderr.write(f"{drift}: {len(parts.first)} images to train on, {len(parts.second)} held out\n")


if __name__ == "__main__":
    main()
