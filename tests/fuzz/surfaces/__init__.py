"""The surfaces of the program that strangers, or failing disks, can reach; a file each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.surfaces import (
    archives,
    evil_graphs,
    folders,
    graph_bytes,
    manifests,
    model_files,
    names,
    npz,
    numbers,
    pictures,
    records,
    results,
    signals,
    signatures,
    states,
    tar_attacks,
    weights,
)

# A desk, chances, and the empty folder in which to write what was broken.
Make = Callable[[Desk, Random, Path], Case]


@dataclass(frozen=True)
class Surface:
    """How cases of one kind are made, and how many there are beside others."""

    make: Make
    weight: int


SURFACES: Mapping[str, Surface] = {
    "archives": Surface(archives.make, 8),
    "tar-attacks": Surface(tar_attacks.make, 3),
    "folders": Surface(folders.make, 4),
    "manifests": Surface(manifests.make, 16),
    "weights": Surface(weights.make, 5),
    "graph-bytes": Surface(graph_bytes.make, 10),
    "evil-graphs": Surface(evil_graphs.make, 10),
    "model-files": Surface(model_files.make, 8),
    "npz": Surface(npz.make, 9),
    "pictures": Surface(pictures.make, 7),
    "signals": Surface(signals.make, 7),
    "signatures": Surface(signatures.make, 4),
    "states": Surface(states.make, 8),
    "records": Surface(records.make, 9),
    "results": Surface(results.make, 5),
    "names": Surface(names.make, 3),
    "numbers": Surface(numbers.make, 4),
}
