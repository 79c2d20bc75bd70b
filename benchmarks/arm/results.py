"""Counted instructions of train steps on emulated ARM, and the goals for them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.prepared import ROOT
from benchmarks.protocol import Drift
from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.plan import BatchNormPolicy

COUNTS = ROOT / "docs" / "results" / "benchmarks" / "arm.json"
Engine = Literal["ours", "ours-direct", "pytorch", "pytorch-channels-last", "mnn"]


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Executed instructions of one engine's step, from the images and from kept activations.

    `losses` are those of the steps, by which engines are seen to train the same; `reason` says why a count is missing.
    """

    cpu: str
    network: str
    image_size: int
    batch_size: int
    drift: Drift
    engine: Engine
    batch_norm: BatchNormPolicy
    date: str
    step: int | None
    cached: int | None
    losses: list[float]
    reason: str | None


def add(path: Path, counted: Counted) -> None:
    """Put a count in the file, in place of the one of the same engine for the same step."""

    def key(count: Counted) -> tuple[str, ...]:
        return (count.network, count.cpu, count.drift, count.engine)

    kept = {key(count): count for count in [*read_counts(path), counted]}
    with atomic_file(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode([kept[name] for name in sorted(kept)]), indent=1))


def read_counts(path: Path) -> list[Counted]:
    """All counts, none if there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=list[Counted]) if path.exists() else []
