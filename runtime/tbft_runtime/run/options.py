"""What the user asks a run to do, and what it is where nothing was asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tbft_artifacts.plan import BatchNormPolicy, Drift
from tbft_runtime.meters.meter import AUTOMATIC

# What drifted, or that the device is to find out.
DriftOption = Literal[Drift, "auto"]
AUTO: Literal["auto"] = "auto"
CacheFormat = Literal["fp32", "fp16", "off"]
CachePlace = Literal["disk", "ram"]

DEFAULT_EPOCHS = 10
DEFAULT_PATIENCE = 5
DEFAULT_VALIDATION = 0.15
DEFAULT_CACHE: CacheFormat = "fp32"
DEFAULT_CACHE_PLACE: CachePlace = "disk"
# Those of TinyTrain (arXiv 2307.09988).
DEFAULT_UPDATE_BYTES = 1_000_000
DEFAULT_COMPUTE = 0.15


@dataclass(frozen=True)
class TrainOptions:
    """Settings of a run; None takes what the bundle's plan says, or the default.

    Of several plans, `plan` names one by its id, or `drift` the one that this drift calls for; with "auto" the
    device looks at some labelled images and decides.
    `patience` is how many epochs without a lower validation loss end the run. `validation` is data of
    its own to validate on; otherwise `val_fraction` of the labelled images is held out. `cache` is how
    boundary activations are kept, and `cache_in` where. `memory_budget` is how many bytes the process may
    take; within it the run chooses how many images go through a graph at once, threads and cache.
    Where the device chooses what is trained, `update_budget` is how many bytes trained values, their gradients and the
    optimizer's state may take, and `compute_budget` which part (0 to 1) of full fine-tuning's backward pass a step may.
    `meter` names where joules come from: "auto", "none", or a meter of the registry.
    With `profile` some steps more tell where the time goes. `exit_accuracy` is how often (0 to 1) a network with
    several exits is to be right, None as often as its last one.
    """

    data: Path
    out: Path
    validation: Path | None = None
    val_fraction: float | None = None
    plan: str | None = None
    drift: DriftOption | None = None
    batch_norm: BatchNormPolicy | None = None
    epochs: int | None = None
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None
    patience: int | None = None
    seed: int | None = None
    threads: int | None = None
    cache: CacheFormat | None = None
    cache_in: CachePlace | None = None
    memory_budget: int | None = None
    update_budget: int | None = None
    compute_budget: float | None = None
    meter: str = AUTOMATIC
    profile: bool = False
    exit_accuracy: float | None = None
    resume: bool = False
