"""Drift of features: Living17 of BREEDS, whose field shows other subclasses than its training."""

from __future__ import annotations

from functools import partial

from tbft_edge.fingerprint import of_data
from tbft_edge.reproduce.case import Case, Parts, parts_of
from tbft_edge.reproduce.datasets.living17 import check_hierarchy, load_living17
from tbft_edge.reproduce.datasets.splits import SEED, split_per_class
from tbft_edge.reproduce.preset import Extent
from tbft_edge.reproduce.suites.suite import Sources, Suite


def living17(sources: Sources) -> Suite:
    """One case, of the target subclasses. With BREEDS's hierarchy files the published table is checked first."""
    if sources.breeds is not None:
        check_hierarchy(sources.breeds)
    case = Case(
        name="unseen-subclasses",
        target="block3",
        network=sources.network,
        load=partial(_load, sources),
        data_id=of_data(sources.data),
    )
    if sources.preset == "quick":
        return Suite((case,), Extent((10,), 1, policies=(), target_only=True))
    return Suite((case,), Extent((10, 20, 30), 4))


def _load(sources: Sources, size: int) -> Parts:
    images = load_living17(sources.data, "target", sources.work)
    return parts_of(images, split_per_class(images.labels, size / 100, SEED))
