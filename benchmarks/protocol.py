"""What the benchmark and its workers say to each other: one JSON object a line."""

from __future__ import annotations

from typing import Literal

import msgspec

# The artifacts' own names; importing them would weigh on a worker's memory.
Drift = Literal["input", "feature", "output", "full"]
BatchNorm = Literal["frozen", "batch"]
Engine = Literal["ours", "pytorch", "ort-training", "sgemm"]
# A whole step from the images, or one from stored boundary activations.
Work = Literal["step", "cached"]


class Subject(msgspec.Struct, frozen=True):
    """What is trained: a bundle of ResNet-26, and how engines that do not read bundles find the same.

    `trained` names the trained parameters, `weights` is a safetensors file, `artifacts` the folder of
    ORT Training. `suffix_flops` counts forward and backward of one image behind the frozen prefix.
    """

    drift: Drift
    batch_norm: BatchNorm
    bundle: str
    weights: str
    artifacts: str
    trained: tuple[str, ...]
    image_size: int
    classes: int
    suffix_flops: int
    prefix_flops: int


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Get ready to train on one batch of random images, and take the first steps."""

    subject: Subject
    threads: int
    batch_size: int


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
    """Losses of the first steps, and what the engine can do."""

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
