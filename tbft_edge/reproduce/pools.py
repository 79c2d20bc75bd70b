"""Pools of unlabelled images that a device adapts to, and the labelled ones that it is tested on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_edge.reproduce.case import Parts
from tbft_edge.reproduce.datasets.images import LabelledImages
from tbft_runtime.corruptions.corrupt import corrupt


@dataclass(frozen=True)
class Shift:
    """Corruptions of one image, the first one first, each of the same severity (1 to 5)."""

    corruptions: tuple[str, ...]
    severity: int


@dataclass(frozen=True)
class Pool:
    """What a pool is. Each image has one of `shifts`, which take turns; the images to test on have the same ones.

    With `classes` (labels) it has images of these alone. `by_class` sorts it by class, as a stream is that shows one
    thing after the other; else the order is random. `draw` decides which images it is and which test.
    """

    images: int
    shifts: tuple[Shift, ...]
    draw: int
    classes: tuple[int, ...] = ()
    by_class: bool = False


def pool_parts(clean: LabelledImages, pool: Pool, tested: int, where: object) -> Parts:
    """The pool, without labels, and about `tested` other images, as many of each class.

    Those to test on are the same for every pool of a draw, and a smaller pool of the same classes is the beginning of
    a larger one. Raises TbftError where `clean` has too few images; `where` names it.
    """
    rng = np.random.default_rng(pool.draw)
    order = rng.permutation(len(clean))
    each = tested // len(clean.classes)
    held_out = [order[clean.labels[order] == label][:each] for label in range(len(clean.classes))]
    test = rng.permutation(np.concatenate(held_out))
    rest = order[~np.isin(order, test)]
    chosen = (rest[np.isin(clean.labels[rest], pool.classes)] if pool.classes else rest)[: pool.images]
    short = [len(part) for part in held_out if len(part) < each]
    if short or len(chosen) < pool.images:
        raise TbftError(
            f"'{where}' has too few images of some class for {tested} to test on and a pool of {pool.images}",
            "give more images: CIFAR-10's test set has 1,000 of each class",
        )
    if pool.by_class:
        chosen = chosen[np.argsort(clean.labels[chosen], kind="stable")]
    unlabelled = LabelledImages(_shifted(clean, chosen, pool), np.full(len(chosen), NO_LABEL), clean.classes)
    return Parts(unlabelled, None, LabelledImages(_shifted(clean, test, pool), clean.labels[test], clean.classes))


def _shifted(clean: LabelledImages, chosen: np.ndarray, pool: Pool) -> np.ndarray:
    """The images at `chosen` (n,), each under the shift whose turn it is: (n, S, S, 3) uint8."""
    pixels: np.ndarray = clean.images[chosen].copy()
    for turn, shift in enumerate(pool.shifts):
        part = slice(turn, None, len(pool.shifts))
        if len(chosen[part]):
            for name in shift.corruptions:
                pixels[part] = corrupt(pixels[part], name, shift.severity, pool.draw, chosen[part])
    return pixels
