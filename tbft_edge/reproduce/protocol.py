"""How a block is fine-tuned: what both engines are told, and what the paper says."""

from __future__ import annotations

from typing import Literal

import msgspec

from tbft_artifacts.plan import BatchNormPolicy
from tbft_edge.reproduce.blocks import PaperBlock

Suite = Literal["cifar10-c", "cifar-flip", "living17", "source5", "motivation", "system-cost", "botta"]


class Protocol(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything but network, block and images that decides the result of a run.

    `momentum` is beta1 for Adam; `weight_decay` is added to the gradient by both optimizers. Training ends
    after `epochs`, or earlier, after `patience` of them without a lower validation loss. With `augment`
    each image is flipped and shifted by chance, anew in each epoch (`reproduce.augmentation`). `seed`
    decides the order of the images and what chance does to them.
    """

    optimizer: Literal["sgd", "adam"]
    lr: float
    momentum: float = 0.9
    weight_decay: float
    batch_size: int = 128
    epochs: int
    patience: int
    batch_norm: BatchNormPolicy = "batch"
    augment: bool = False
    seed: int = 0


def paper_protocol(suite: Suite, block: PaperBlock) -> Protocol:
    """What EuroMLSys 2024 (arXiv 2403.15905, section 4) does to fine-tune `block` in `suite`.

    Batch norms use the statistics of each batch in the whole network, as the authors' code does. For Living17
    the paper tells of no early end, so there is none; source5 takes its place where it is not at hand. The drifts of
    botta are those of cifar10-c.
    """
    # The head is one layer, at random or nearly so for the new task.
    lr = 1e-2 if block == "fc" else 1e-3
    match suite:
        case "cifar10-c" | "cifar-flip" | "botta":
            return Protocol(optimizer="sgd", lr=lr, weight_decay=5e-4, epochs=10, patience=5)
        case "living17" | "source5":
            return Protocol(optimizer="adam", lr=lr, weight_decay=0.0, epochs=10, patience=10)
        case "system-cost":
            # A few steps tell what one takes; more would only take time.
            return Protocol(optimizer="sgd", lr=lr, weight_decay=5e-4, epochs=3, patience=3)
        case "motivation":
            return Protocol(optimizer="sgd", lr=lr, weight_decay=5e-4, epochs=50, patience=20, augment=True)
