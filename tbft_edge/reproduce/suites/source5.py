"""Drift of features on small photos: subclasses that the network never saw, a stand-in for Living17."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tbft_edge.reproduce.case import Case, Parts, parts_of
from tbft_edge.reproduce.datasets.open import open_images
from tbft_edge.reproduce.datasets.source5 import field_images
from tbft_edge.reproduce.datasets.splits import split_cifar
from tbft_edge.reproduce.fingerprint import of_data
from tbft_edge.reproduce.preset import Extent
from tbft_edge.reproduce.suites.suite import Sources, Suite


def source5(sources: Sources) -> Suite:
    """One case, of CIFAR-10's test set."""
    case = subclasses_case(sources, of_data(sources.data))
    if sources.preset == "quick":
        return Suite((case,), Extent((10,), 1, target_only=True))
    return Suite((case,), Extent((10, 20, 30), 4))


def subclasses_case(sources: Sources, data: str) -> Case:
    """Unseen subclasses; `data` tells the images apart."""
    return Case(
        name="unseen-subclasses",
        target="block3",
        network=sources.network,
        load=partial(_load, sources.data),
        data_id=data,
    )


def _load(data: Path, size: int, repeat: int) -> Parts:
    images = field_images(open_images(data, "test"), data)
    return parts_of(images, split_cifar(len(images), size / 100))
