"""Drift of features on small photos: subclasses that the network never saw, a stand-in for Living17."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tbft_edge.fingerprint import of_data, of_words
from tbft_edge.reproduce.case import Case, Parts, parts_of
from tbft_edge.reproduce.datasets.images import LabelledImages
from tbft_edge.reproduce.datasets.open import open_images
from tbft_edge.reproduce.datasets.source5 import field_images, source_images
from tbft_edge.reproduce.datasets.splits import split_cifar
from tbft_edge.reproduce.preset import Extent
from tbft_edge.reproduce.suites.cifar_flip import Relabelling
from tbft_edge.reproduce.suites.suite import Sources, Suite
from tbft_runtime.corruptions.corrupt import corrupt


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


def known_classes_case(
    sources: Sources,
    name: str,
    data: str,
    *,
    relabelling: Relabelling | None = None,
    corruption: tuple[str, int] | None = None,
) -> Case:
    """The network's own five classes, perhaps under a corruption of some severity, or with other labels."""
    return Case(
        name=name,
        target="block1" if corruption else "fc",
        network=sources.network,
        load=partial(_load_known, sources.data, relabelling, corruption),
        data_id=of_words(data, name),
    )


def _load_known(data: Path, relabelling: Relabelling | None, corruption: tuple[str, int] | None, size: int) -> Parts:
    images = source_images(open_images(data, "test"), data)
    pixels, labels = images.images, images.labels
    if corruption is not None:
        pixels = corrupt(pixels, *corruption, seed=0)
    if relabelling is not None:
        labels = relabelling(labels, len(images.classes))
    drifted = LabelledImages(pixels, labels, images.classes)
    return parts_of(drifted, split_cifar(len(drifted), size / 100))


def _load(data: Path, size: int) -> Parts:
    images = field_images(open_images(data, "test"), data)
    return parts_of(images, split_cifar(len(images), size / 100))
