"""Two ways to train the same block on the same drift, beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.summary.grid import Grid, Row, accuracy, shared
from tbft_edge.reproduce.summary.names import BLOCK_NAMES


@dataclass(frozen=True)
class Pair:
    """Accuracies, as fractions of `images`, of `reference` and of `ours`: means over the repeats that both have."""

    case: str
    block: PaperBlock
    size: int
    reference: float
    ours: float
    images: int

    @property
    def difference(self) -> float:
        """Ours less the reference, a fraction."""
        return self.ours - self.reference

    @property
    def standard_error(self) -> float:
        """At most so much for a difference of two runs: sqrt(2 p (1 - p) / N), as if each had images of its own."""
        p = max((self.reference, self.ours), key=lambda share: share * (1 - share))
        return math.sqrt(2 * p * (1 - p) / self.images)

    @property
    def name(self) -> str:
        """`fog, Block 1`."""
        return f"{self.case}, {BLOCK_NAMES[self.block]}"


def pairs(grid: Grid, reference: Row, ours: Row, size: int) -> list[Pair]:
    """Every drift and block that both have."""
    found = []
    for block in BLOCKS:
        theirs, own = (grid.figures(row, block, size, accuracy) for row in (reference, ours))
        repeats: dict[str, list[int]] = {}
        for name, repeat in shared(theirs, own):
            repeats.setdefault(name, []).append(repeat)
        for case in grid.cases:
            both = repeats.get(case.name)
            if both:
                before, after = (fmean(figures[case.name][repeat] for repeat in both) for figures in (theirs, own))
                found.append(Pair(case.name, block, size, before, after, case.test_images))
    order = [case.name for case in grid.cases]
    return sorted(found, key=lambda pair: (order.index(pair.case), BLOCKS.index(pair.block)))


def error_words(found: Sequence[Pair]) -> str:
    """How far chance alone takes two runs apart."""
    images = sorted({pair.images for pair in found})
    count = f"{images[0]:,}" if len(images) == 1 else f"{images[0]:,} to {images[-1]:,}"
    error = max(pair.standard_error for pair in found)
    return (
        f"A drift has {count} test images: one standard error of a difference of two runs is at most about "
        f"{100 * error:.1f} points."
    )
