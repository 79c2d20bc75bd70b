"""A case: a trained network, the drift that it meets, and the data of the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tbft_edge.reproduce.blocks import PaperBlock
from tbft_edge.reproduce.datasets.images import LabelledImages
from tbft_edge.reproduce.datasets.splits import Split


@dataclass(frozen=True)
class Parts:
    """Images of the field, in three parts that share none."""

    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages


@dataclass(frozen=True)
class Network:
    """A trained ResNet-26: its weights, and the side of its images in pixels. `digest` tells its weights apart."""

    weights: Path
    digest: str
    image_size: int


@dataclass(frozen=True)
class Case:
    """A drift, for which the paper trains `target`.

    `load(size)` reads or makes the data, of which `size` per cent train; `data_id` tells data apart
    without reading them.
    """

    name: str
    target: PaperBlock
    network: Network
    load: Callable[[int], Parts]
    data_id: str


def parts_of(images: LabelledImages, split: Split) -> Parts:
    """The images that each part of the split picks."""
    return Parts(images.take(split.train), images.take(split.validation), images.take(split.test))
