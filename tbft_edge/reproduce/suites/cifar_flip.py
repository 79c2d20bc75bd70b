"""Drift of the output: CIFAR-10's clean test set, y -> 9 - y."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tbft_edge.fingerprint import of_data, of_words
from tbft_edge.reproduce.case import Case, Parts, parts_of
from tbft_edge.reproduce.datasets.cifar10 import as_cifar10
from tbft_edge.reproduce.datasets.images import LabelledImages
from tbft_edge.reproduce.datasets.open import open_images
from tbft_edge.reproduce.datasets.relabel import flip
from tbft_edge.reproduce.datasets.splits import split_cifar
from tbft_edge.reproduce.preset import Extent
from tbft_edge.reproduce.suites.suite import Sources, Suite

# Labels (N,) and the number of classes -> other labels (N,).
Relabelling = Callable[[np.ndarray, int], np.ndarray]


def cifar_flip(sources: Sources) -> Suite:
    """One case."""
    cases = (relabelled_case(sources, "flip", flip, of_data(sources.data)),)
    if sources.preset == "quick":
        return Suite(cases, Extent((10,), 1, target_only=True))
    return Suite(cases, Extent((10, 20, 30), 1))


def relabelled_case(sources: Sources, name: str, relabelling: Relabelling, data: str) -> Case:
    """Clean images whose labels mean something else; `data` tells the images apart."""
    return Case(
        name=name,
        target="fc",
        network=sources.network,
        load=partial(_load, sources.data, relabelling),
        data_id=of_words(data, name),
    )


def _load(data: Path, relabelling: Relabelling, size: int) -> Parts:
    images = as_cifar10(open_images(data, "test"), data)
    changed = LabelledImages(images.images, relabelling(images.labels, len(images.classes)), images.classes)
    return parts_of(changed, split_cifar(len(changed), size / 100))
