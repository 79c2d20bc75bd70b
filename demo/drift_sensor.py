"""Write what the sensor sees later on: `python demo/drift_sensor.py OUT`.

For each drift OUT gets `<drift>_train.npz` and `<drift>_test.npz`, of people that the network never saw.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from sensor_windows import CLASSES, Windows, windows

# A drift, and what makes it.
DRIFTS: Mapping[str, Callable[[Windows, np.random.Generator], Windows]] = {
    "turned": lambda data, _: data.turned(45),
    "rattle": lambda data, rng: data.shaken(rng),
    "renamed": lambda data, _: data.renamed(),
}
# Windows of each activity and people, to train on and to measure with.
PARTS = {"train": (5, 4), "test": (10, 10)}


def main() -> None:
    """Write both files of every drift."""
    parser = argparse.ArgumentParser(description="Write the drifted windows of the sensor demo.")
    parser.add_argument("out", type=Path, help="folder to write to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for name, drift in DRIFTS.items():
        for part, (count, people) in PARTS.items():
            data = drift(windows(count, people, rng), rng)
            path = out / f"{name}_{part}.npz"
            np.savez(path, windows=data.values, labels=data.labels, classes=np.array(CLASSES))
            sys.stderr.write(f"{path}: {len(data.labels)} windows\n")


if __name__ == "__main__":
    main()
