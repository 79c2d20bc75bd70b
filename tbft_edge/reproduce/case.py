"""A case: a trained network, the drift that it meets, and the data of the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tbft_edge.reproduce.blocks import PaperBlock
from tbft_edge.reproduce.datasets.images import LabelledImages
from tbft_edge.reproduce.datasets.splits import Split
from tbft_edge.reproduce.scenario import Scenario


@dataclass(frozen=True)
class Parts:
    """Images of the field, in three parts that share none; without `validation` nothing says when to stop.

    Where nobody knows labels, those of `train` are `NO_LABEL`.
    """

    train: LabelledImages
    validation: LabelledImages | None
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
    without reading them. `seen` are the labels of the classes that train, where some do not. A case of a suite of
    scenarios says in which it stands.
    """

    name: str
    target: PaperBlock
    network: Network
    load: Callable[[int], Parts]
    data_id: str
    seen: tuple[int, ...] = ()
    scenario: Scenario | None = None


def parts_of(images: LabelledImages, split: Split) -> Parts:
    """The images that each part of the split picks."""
    return Parts(images.take(split.train), images.take(split.validation), images.take(split.test))
