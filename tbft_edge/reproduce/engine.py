"""What both engines are asked, and where their work lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol as Interface

import numpy as np

from tbft_artifacts.atomic import atomic_file
from tbft_edge.reproduce.case import Network, Parts
from tbft_edge.reproduce.datasets.images import LabelledImages
from tbft_edge.reproduce.protocol import Protocol
from tbft_edge.reproduce.trial import Outcome, Trial


@dataclass(frozen=True)
class DataFiles:
    """The three parts of a case's data as `.npz` files with images and labels; None where there is none."""

    train: Path
    validation: Path | None
    test: Path


@dataclass(frozen=True)
class Job:
    """A trial with everything that it needs. `protocol` is None where the bundle's own defaults hold.

    `seen` are the labels of `Case.seen`.
    """

    trial: Trial
    network: Network
    data: DataFiles
    protocol: Protocol | None
    seen: tuple[int, ...] = ()


class Engine(Interface):
    """Runs one job in a process of its own; several may run at a time."""

    def run(self, job: Job, folder: Path, /) -> Outcome:
        """`folder` is the job's own, empty, and removed afterwards. Raises TbftError if the engine fails."""


def write_parts(parts: Parts, folder: Path) -> DataFiles:
    """Write the parts that there are into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    return DataFiles(
        train=_write(folder / "train.npz", parts.train),
        validation=None if parts.validation is None else _write(folder / "validation.npz", parts.validation),
        test=_write(folder / "test.npz", parts.test),
    )


def _write(path: Path, part: LabelledImages) -> Path:
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, images=part.images, labels=part.labels)
    return path
