"""BoTTA's scenarios: what a device may meet that adapts to a pool now and then, and answers others in between.

Source: Danilowski, Chatterjee, Ghosh, "BoTTA: Benchmarking on-device Test Time Adaptation", SenSys 2026 (arXiv
2504.10149): few samples, few categories, several domains in one pool, several shifts in one image. The order of
classes is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_edge.fingerprint import of_data, of_words
from tbft_edge.reproduce.case import Case, Parts
from tbft_edge.reproduce.datasets.cifar10 import CLASSES, as_cifar10
from tbft_edge.reproduce.datasets.cifar10_c import PAPER_CORRUPTIONS, cifar10_c_folder
from tbft_edge.reproduce.datasets.downloads import CIFAR10
from tbft_edge.reproduce.datasets.open import open_images
from tbft_edge.reproduce.pools import Pool, Shift, pool_parts
from tbft_edge.reproduce.preset import WITHOUT_LABELS, Extent, Preset
from tbft_edge.reproduce.scenario import Scenario
from tbft_edge.reproduce.suites.suite import Sources, Suite

SEVERITY = 5
# Two at severity 5 leave next to nothing to see.
OVERLAPPING_SEVERITY = 3
TESTED = 2000
# What happens to light on its way comes first: before the lens, in it, on the sensor, to the picture.
_FAMILIES = (
    ("snow", "frost", "fog", "brightness"),
    ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    ("gaussian_noise", "shot_noise", "impulse_noise"),
    ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)


@dataclass(frozen=True)
class Scale:
    """How much of each scenario. `pool` is how many images it has where a scenario is not about that.

    `seconds` is about what a trial takes on one core.
    """

    drifts: tuple[str, ...]
    draws: int
    samples: tuple[int, ...]
    pool: int
    categories: tuple[int, ...]
    domains: tuple[int, ...]
    seconds: float


SCALES: dict[Preset, Scale] = {
    "quick": Scale(("gaussian_noise", "fog", "contrast"), 1, (16, 64, 256, 512), 256, (2, 5), (3,), 10.0),
    "paper": Scale(PAPER_CORRUPTIONS, 3, (16, 32, 64, 128, 256, 512), 512, (2, 4, 6, 8), (3, 6, 9, 12, 15), 14.0),
}


def botta(sources: Sources) -> Suite:
    """Raises TbftError for images that were corrupted already: two shifts in one image need clean ones."""
    if cifar10_c_folder(sources.data) is not None:
        raise TbftError(f"'{sources.data}' has corrupted images, and botta corrupts clean ones itself", CIFAR10)
    data, scale = of_data(sources.data), SCALES[sources.preset]
    cases = tuple(scenario_case(sources, data, scenario, pool) for scenario, pool in _pools(scale))
    return Suite(cases, Extent((100,), 1, cells=WITHOUT_LABELS), scale.seconds)


def scenario_case(sources: Sources, data: str, scenario: Scenario, pool: Pool) -> Case:
    """One pool; `data` tells the clean images apart. Cases with the same pool are one and the same to run."""
    return Case(
        name=f"{scenario.name} {scenario.setting}, {scenario.drift}, draw {scenario.draw}",
        target="block1",
        network=sources.network,
        load=partial(_load, sources.data, pool),
        data_id=of_words(data, pool, TESTED),
        seen=pool.classes,
        scenario=scenario,
    )


def _load(data: Path, pool: Pool, _size: int) -> Parts:
    return pool_parts(as_cifar10(open_images(data, "test"), data), pool, TESTED, data)


def _pools(scale: Scale) -> Iterator[tuple[Scenario, Pool]]:
    """Every case. The ordinary pool of each drift is one of those of `samples`, and a reference to other scenarios."""
    for draw in range(scale.draws):
        yield from _single(scale, draw)
        yield from _mixed(scale, draw)
        yield from _overlapping(scale, draw)


def _single(scale: Scale, draw: int) -> Iterator[tuple[Scenario, Pool]]:
    """Scenarios of one drift: how many samples, how many categories, in which order."""
    for drift in scale.drifts:
        ordinary = Pool(scale.pool, (Shift((drift,), SEVERITY),), draw)
        for images in scale.samples:
            yield Scenario("samples", str(images), drift, draw), replace(ordinary, images=images)
        for count in scale.categories:
            chosen = replace(ordinary, classes=_classes(count, draw))
            yield Scenario("categories", str(count), drift, draw), chosen
        yield Scenario("categories", str(len(CLASSES)), drift, draw, reference=True), ordinary
        yield Scenario("domains", "1", drift, draw, reference=True), ordinary
        yield Scenario("order", "random", drift, draw, reference=True), ordinary
        yield Scenario("order", "by class", drift, draw), replace(ordinary, by_class=True)


def _classes(count: int, draw: int) -> tuple[int, ...]:
    """The labels of `count` classes; fewer ones are among more of the same draw."""
    return tuple(sorted(np.random.default_rng(draw).permutation(len(CLASSES))[:count].tolist()))


def _mixed(scale: Scale, draw: int) -> Iterator[tuple[Scenario, Pool]]:
    """Pools of several drifts. For each number of them as many pools as it takes for every drift to be in one."""
    drifts = np.random.default_rng(draw).permutation(scale.drifts).tolist()
    for count in scale.domains:
        for start in range(0, len(drifts), count):
            chosen = [drifts[place % len(drifts)] for place in range(start, start + count)]
            shifts = tuple(Shift((name,), SEVERITY) for name in sorted(chosen, key=scale.drifts.index))
            names = "+".join(corruption for shift in shifts for corruption in shift.corruptions)
            yield Scenario("domains", str(count), names, draw), Pool(scale.pool, shifts, draw)


def _overlapping(scale: Scale, draw: int) -> Iterator[tuple[Scenario, Pool]]:
    """Two drifts of different families in each image, and of every pair of families one."""
    rng = np.random.default_rng(draw)
    known = [[name for name in family if name in scale.drifts] for family in _FAMILIES]
    for first, second in combinations([family for family in known if family], 2):
        pair = (str(rng.choice(first)), str(rng.choice(second)))
        pool = Pool(scale.pool, (Shift(pair, OVERLAPPING_SEVERITY),), draw)
        yield Scenario("overlap", "2", "+".join(pair), draw), pool
