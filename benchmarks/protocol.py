"""What the benchmark and its workers say to each other: one JSON object a line."""

from __future__ import annotations

from typing import Literal

import msgspec

# The artifacts' own names; importing them would weigh on a worker's memory.
Drift = Literal["input", "feature", "output", "full"]
BatchNorm = Literal["frozen", "batch", "block"]
Network = Literal["resnet26", "resnet18", "resnet50", "mobilenet_v2", "efficientnet_lite0"]
Engine = Literal[
    "ours", "pytorch", "channels-last", "torch-compile", "jax", "mnn", "ort-training", "executorch"
]  # fmt: skip
# A whole step from the images, one from stored boundary activations, or the untimed one that all are compared by.
Work = Literal["step", "cached", "check"]


class Subject(msgspec.Struct, frozen=True):
    """What is trained: a plan of a bundle, and how engines that do not read bundles find the same.

    `trained` names the trained parameters, `statistics` the running means of the norms that use the batch's
    statistics, `part` how many images those normalise together at least, None for all of a batch. `weights` is a
    safetensors file, `layers` the network as `benchmarks.layers` writes it, `artifacts` the folder of ORT Training.
    """

    network: Network
    drift: Drift
    batch_norm: BatchNorm
    bundle: str
    weights: str
    layers: str
    artifacts: str
    trained: tuple[str, ...]
    statistics: tuple[str, ...]
    part: int | None
    image_size: int
    classes: int


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Get ready to train on one batch of random images, and take the first steps."""

    subject: Subject
    threads: int
    batch_size: int

    @property
    def check_size(self) -> int:
        """Images of the first steps: so few that parts with statistics of their own are one, as they are for others."""
        return self.batch_size if self.subject.part is None else min(self.batch_size, self.subject.part)


class Turn(msgspec.Struct, frozen=True, tag="turn"):
    """Do `work` once untimed, since others ran in between, then at least `steps` times and `least_ms` long."""

    work: Work
    steps: int
    least_ms: float = 20.0


class Train(msgspec.Struct, frozen=True, tag="train"):
    """Train for `epochs` on an .npz of images and validate on another after each; pause before and after each epoch.

    `out` is a folder to be made.
    """

    subject: Subject
    threads: int
    batch_size: int
    images: str
    validation: str
    epochs: int
    out: str


class Continue(msgspec.Struct, frozen=True, tag="continue"):
    """End a pause."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """A worker has imported its engine; `import_bytes` is its largest resident size until then."""

    versions: dict[str, str]
    import_bytes: int


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """Losses of the first steps, on `Load.check_size` images, and what the engine can do."""

    losses: list[float]
    works: list[Work]


class Took(msgspec.Struct, frozen=True, tag="took"):
    """Milliseconds of each step; `cpu_share` is processor time over time: about as many threads as computed."""

    ms: list[float]
    cpu_share: float
    peak_bytes: int


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    """Seconds since the last pause; 0 before the first epoch."""

    seconds: float


class Trained(msgspec.Struct, frozen=True, tag="trained"):
    """Training is done: seconds since the last pause, the validation loss before the first epoch, the peak."""

    seconds: float
    loss_before: float
    peak_bytes: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The request could not be done."""

    reason: str


Request = Load | Turn | Train | Continue
Reply = Ready | Loaded | Took | Paused | Trained | Failed
