"""The blocks of the paper, and the parts of ResNet-26 that they are."""

from __future__ import annotations

from typing import Literal, get_args

PaperBlock = Literal["block1", "block2", "block3", "fc", "full"]
BLOCKS: tuple[PaperBlock, ...] = get_args(PaperBlock)

# What the names of their parameters begin with. Scale and shift of a batch norm belong to the block that
# it stands in; the last one stands in none, and only full fine-tuning trains it.
MODULES: dict[PaperBlock, tuple[str, ...]] = {
    "block1": ("conv1", "layer1"),
    "block2": ("layer2",),
    "block3": ("layer3",),
    "fc": ("fc",),
    "full": ("conv1", "layer1", "layer2", "layer3", "bn", "fc"),
}
