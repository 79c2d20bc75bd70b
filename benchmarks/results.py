"""What a run of the benchmark writes: every round, raw. Ratios are made of it elsewhere."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.protocol import BatchNorm, Drift, Engine, Network
from tbft_artifacts.atomic import atomic_file


class Contestant(msgspec.Struct, frozen=True):
    """An engine that trains the block of a drift of a network, batch norms as `batch_norm` says."""

    engine: Engine
    drift: Drift
    batch_norm: BatchNorm
    network: Network = "resnet26"


class Absence(msgspec.Struct, frozen=True):
    """Why a contestant has no numbers."""

    contestant: Contestant
    reason: str


class StepLane(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant's steps. Milliseconds are the median step of each round.

    `losses` are those of the first steps, on as many images as are normalised together. `cached_ms` are steps from
    stored boundary activations. `load_seconds` is what getting ready took, compilers included. `cpu_share` is
    processor time over time per round. `peak_bytes` and `import_bytes` are largest resident sizes of the process,
    which did nothing but take steps.
    """

    contestant: Contestant
    losses: list[float]
    load_seconds: float
    step_ms: list[float]
    cached_ms: list[float]
    cpu_share: list[float]
    import_bytes: int
    peak_bytes: int
    versions: dict[str, str]


class StepContest(msgspec.Struct, frozen=True, kw_only=True):
    """Train steps of several contestants, in turn, in an order drawn anew each round."""

    threads: int
    batch_size: int
    image_size: int
    lanes: list[StepLane]
    absent: list[Absence]


class TrainingLane(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant's training: seconds of each epoch, of what came before the first, and after the last.

    Images are prepared when the clock starts. Each epoch ends with validation. What comes before the
    first, the evaluation of the base model, is part of its seconds.
    """

    contestant: Contestant
    epoch_seconds: list[float]
    after_seconds: float
    loss_before: float
    import_bytes: int
    peak_bytes: int
    versions: dict[str, str]

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(self.epoch_seconds) + self.after_seconds


class TrainingContest(msgspec.Struct, frozen=True, kw_only=True):
    """Whole trainings of several contestants, in turn epoch by epoch, in an order drawn anew each time."""

    threads: int
    batch_size: int
    image_size: int
    images: int
    validation_images: int
    epochs: int
    lanes: list[TrainingLane]
    absent: list[Absence]


class Machine(msgspec.Struct, kw_only=True):
    """Where it ran; load averages are those of the last minute."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    load_before: float
    load_after: float | None = None


class Results(msgspec.Struct, kw_only=True):
    """One run; `peers` is whether more than PyTorch eager took part."""

    date: str
    quick: bool
    peers: bool
    machine: Machine
    seconds: float | None = None
    steps: list[StepContest] = []
    trainings: list[TrainingContest] = []


def write(results: Results, path: Path) -> None:
    """Replace the file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))


def read(path: Path) -> Results:
    """Raises OSError or msgspec.DecodeError if there is no result, or one that was written otherwise."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
