"""Drift of the input: CIFAR-10's test set under 15 corruptions at severity 5."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tbft_edge.fingerprint import of_data, of_words
from tbft_edge.reproduce.case import Case, Parts, parts_of
from tbft_edge.reproduce.datasets.cifar10_c import PAPER_CORRUPTIONS, check_files, cifar10_c_folder, corrupted
from tbft_edge.reproduce.datasets.splits import split_cifar
from tbft_edge.reproduce.preset import Extent
from tbft_edge.reproduce.suites.suite import Sources, Suite

SEVERITY = 5
# One is undone by the front, one needs the statistics above all.
_COMPARED = ("gaussian_noise", "contrast")


def cifar10_c(sources: Sources) -> Suite:
    """Raises TbftError if a CIFAR-10-C folder lacks files."""
    folder = cifar10_c_folder(sources.data)
    if folder is not None:
        check_files(folder)
    data = of_data(folder or sources.data)
    cases = tuple(corruption_case(sources, name, SEVERITY, data) for name in PAPER_CORRUPTIONS)
    if sources.preset == "quick":
        return Suite(cases, Extent((10,), 1, policies=_COMPARED, engines=_COMPARED, target_only=True))
    return Suite(cases, Extent((10, 20, 30), 1))


def corruption_case(sources: Sources, name: str, severity: int, data: str) -> Case:
    """One corruption; `data` tells the images it is made from apart."""
    return Case(
        name=name,
        target="block1",
        network=sources.network,
        load=partial(_load, sources.data, name, severity),
        data_id=of_words(data, name, severity),
    )


def _load(data: Path, name: str, severity: int, size: int) -> Parts:
    images = corrupted(data, name, severity)
    return parts_of(images, split_cifar(len(images), size / 100))
