"""The settings of a run, which its folder keeps."""

from __future__ import annotations

import msgspec

from tbft_artifacts.plan import BatchNormPolicy
from tbft_artifacts.structs import Epochs, Images, Large, Part, Patience, Place, Rate, Seed, Some, Threads, Word
from tbft_runtime.run.execution import Execution
from tbft_runtime.run.options import (
    DEFAULT_CACHE,
    DEFAULT_CACHE_PLACE,
    DEFAULT_LABELS,
    DEFAULT_STARTING_HEAD,
    Augmentation,
    CacheFormat,
    CachePlace,
    ClassWeights,
    LabelUse,
    StartingHead,
)


class Settings(msgspec.Struct, frozen=True):
    """A run's settings, all decided. They determine its result, with one thread bit for bit."""

    bundle_id: Word
    """sha256 (hex) of the bundle's content."""
    plan: Word
    """Its id."""
    batch_norm: BatchNormPolicy
    """What happens to the statistics of batch norms."""
    epochs: Epochs
    """How many at most; 0 only re-estimates statistics."""
    lr: Rate
    """Learning rate."""
    momentum: Rate
    """Of SGD; beta1 of Adam and AdamW."""
    weight_decay: Rate
    batch_size: Images
    """Images per step."""
    patience: Patience
    """So many epochs without a lower validation loss end the run."""
    seed: Seed
    """Decides split and order of the images."""
    threads: Threads
    execution: Execution
    """How graphs run."""
    val_fraction: Part
    """Part (0 to 1) of the labelled images that is held out, unless there are others to validate on."""
    data: Place
    """Where the training images are, as an absolute path (one that is no UTF-8 as a `file:` URI)."""
    validation: Place | None
    """Where those to validate on are; None: some of the others are held out."""
    cache: CacheFormat = DEFAULT_CACHE
    """How boundary activations are kept."""
    cache_in: CachePlace = DEFAULT_CACHE_PLACE
    """Where they are kept."""
    tuned: bool = False
    """Whether the execution was measured on this device beforehand."""
    update_budget: Large | None = None
    """Bytes that trained values, their gradients and the optimizer's state may take; None: nothing is chosen."""
    compute_budget: Part | None = None
    """Which part (0 to 1) of full fine-tuning's backward pass a step may take; None: nothing is chosen."""
    remember: Part | None = None
    """Which part (0 to 0.9) of each batch are images of the source domain that the bundle keeps."""
    distill: Part | None = None
    """Which part (0 to 1) of what each answer is to become is the old model's answer."""
    label_smoothing: Part | None = None
    """Which part (0 to 1) of what a label says is spread evenly over all classes."""
    exit_accuracy: Part | None = None
    """How often (0 to 1) a network with several exits is to be right; None: as often as its last one."""
    augment: tuple[Augmentation, ...] = ()
    """How images to train on are changed, others in each epoch."""
    class_weights: ClassWeights = "none"
    """How much images count in the loss."""
    starting_head: StartingHead = DEFAULT_STARTING_HEAD
    """The last layer that training begins with: one in closed form where images are few, or the one that is there."""
    labels: LabelUse = DEFAULT_LABELS
    """Whose labels are trained on: of all images that have one, or of none."""
    check_labels: Some | None = None
    """So many labelled images decide what is kept of a run without labels; None: nobody does."""

    @property
    def reestimates(self) -> bool:
        """Whether statistics of batch norms are re-estimated before the first epoch."""
        return self.batch_norm == "adapt" or (self.labels == "none" and self.batch_norm != "frozen")

    @property
    def takes_targets(self) -> bool:
        """Whether the gradient graph takes targets in place of labels."""
        return self.class_weights != "none" or bool(self.distill) or bool(self.label_smoothing) or self.labels == "none"
