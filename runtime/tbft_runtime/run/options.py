"""What the user asks a run to do, and what it is where nothing was asked.

A new option is a field here, one of `Settings`, a rule in `run.resolve`, and a parameter of the command.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tbft_artifacts.plan import BatchNormPolicy, Drift
from tbft_runtime.meters.meter import AUTOMATIC

# What drifted, or that the device is to find out.
DriftOption = Literal[Drift, "auto"]
AUTO: Literal["auto"] = "auto"
CacheFormat = Literal["fp32", "fp16", "off"]
# What may be done to the images to train on: mirrored left to right, shifted.
Augmentation = Literal["flip", "shift"]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)
# How much an image counts in the loss: as any other, or so that each class counts alike.
ClassWeights = Literal["none", "balanced"]
CachePlace = Literal["disk", "ram"]
# Whose labels are trained on: of all images that have one, or of none.
LabelUse = Literal["all", "none"]
# The last layer that training begins with: one in closed form where images are few, or the one that is there.
StartingHead = Literal["auto", "kept"]

DEFAULT_EPOCHS = 10
# Without labels: what is to be had comes in the first ones, and nobody stops those that spoil it.
DEFAULT_UNLABELLED_EPOCHS = 5
DEFAULT_PATIENCE = 5
DEFAULT_VALIDATION = 0.15
DEFAULT_CACHE: CacheFormat = "fp32"
DEFAULT_CACHE_PLACE: CachePlace = "disk"
DEFAULT_LABELS: LabelUse = "all"
DEFAULT_STARTING_HEAD: StartingHead = "auto"
# Those of TinyTrain (arXiv 2307.09988).
DEFAULT_UPDATE_BYTES = 1_000_000
DEFAULT_COMPUTE = 0.15


@dataclass(frozen=True)
class TrainOptions:
    """What a run is asked to do; None takes what the bundle's plan says, or the default (`run.resolve`)."""

    data: str | Path
    """Training images: an .npz file, or a folder with a folder of pictures per class."""
    out: str | Path
    """Folder of the run: its state after each epoch, its result and report."""
    validation: str | Path | None = None
    """Images to validate on; None: some of the others are held out."""
    val_fraction: float | None = None
    """Part (0 to 1) of the labelled images that is held out."""
    plan: str | None = None
    """The id of the plan to train, where the bundle has several."""
    drift: DriftOption | None = None
    """The same by what drifted; with "auto" the device looks at some labelled images and decides."""
    batch_norm: BatchNormPolicy | None = None
    """What happens to the statistics of batch norms, within what the plan allows."""
    epochs: int | None = None
    """How many at most; 0 only re-estimates statistics."""
    lr: float | None = None
    """Learning rate."""
    momentum: float | None = None
    """Of SGD; beta1 of Adam and AdamW."""
    weight_decay: float | None = None
    batch_size: int | None = None
    """Images per step."""
    patience: int | None = None
    """So many epochs without a lower validation loss end the run."""
    seed: int | None = None
    """Decides split and order of the images."""
    threads: int | None = None
    """By default one for each core that the process may use."""
    cache: CacheFormat | None = None
    """How boundary activations are kept."""
    cache_in: CachePlace | None = None
    """Where they are kept."""
    memory_budget: int | None = None
    """Bytes that the process may take: within it the run chooses images at once, threads and place of the cache."""
    update_budget: int | None = None
    """Bytes for trained values, their gradients and the optimizer's state, where the device chooses what is trained."""
    compute_budget: float | None = None
    """Which part (0 to 1) of full fine-tuning's backward pass a step may take, where the device chooses."""
    meter: str = AUTOMATIC
    """Where joules come from: "auto", "none", or a meter of the registry."""
    remember: float | None = None
    """Which part (0 to 0.9) of each batch are images of the source domain that the bundle keeps; None: no part."""
    distill: float | None = None
    """Which part (0 to 1) of what each answer is to become is the old model's answer; None or 0: the label alone."""
    label_smoothing: float | None = None
    """Which part (0 to 1) of what a label says is spread evenly over all classes; None or 0: none of it."""
    profile: bool = False
    """Whether some more steps tell where the time goes."""
    exit_accuracy: float | None = None
    """How often (0 to 1) a network with several exits is to be right; None: as often as its last one."""
    class_weights: ClassWeights | None = None
    """How much images count in the loss; "balanced": so that each class counts alike."""
    augment: str | None = None
    """How images to train on are changed, others in each epoch: "flip", "shift" or "flip,shift"."""
    base: str | Path | None = None
    """What a new run begins with: an earlier run of the bundle, or a `.safetensors` of some of its tensors."""
    starting_head: StartingHead | None = None
    """With "kept" training begins with the last layer that is there, even where images are few."""
    labels: LabelUse | None = None
    """With "none" nothing is trained towards a label: images teach by what the network answers."""
    check_labels: int | None = None
    """So many labelled images decide what is kept of a run without labels; None: nobody does."""
    resume: bool = False
    """Whether to go on with the run in `out`, if there is one."""
    expect_id: str | None = None
    """The id that the bundle must have, all 64 digits; None: whichever it has."""
