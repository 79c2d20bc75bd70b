"""How much of the protocol is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.case import Case
from tbft_edge.reproduce.protocol import Protocol, Suite, paper_protocol
from tbft_edge.reproduce.trial import POLICIES, Engine, Recipe, Trial

Preset = Literal["quick", "paper"]


class Cell(NamedTuple):
    """Who trains, how, and what."""

    engine: Engine
    recipe: Recipe
    block: PaperBlock | None


# Methods without labels, and what they are held against.
WITHOUT_LABELS = (
    Cell("device", "none", None),
    Cell("device", "statistics", None),
    Cell("pytorch", "tent", None),
    Cell("pytorch", "shot", None),
    Cell("pytorch", "t3a", None),
    Cell("device", "unlabelled", "block1"),
)


@dataclass(frozen=True)
class Extent:
    """What is run of a suite.

    `sizes` are per cent of the images that train. Every block is trained by the bundle's defaults on every
    case; on the cases of `policies` also with each batch-norm policy, and on those of `engines` by the paper's
    protocol in both engines: every block, or with `target_only` the one that the paper trains, and everything.
    None means every case. With `cells` it is these alone, on every case.
    """

    sizes: tuple[int, ...]
    repeats: int
    policies: tuple[str, ...] | None = None
    engines: tuple[str, ...] | None = None
    target_only: bool = False
    cells: tuple[Cell, ...] | None = None


def trials(cases: Sequence[Case], extent: Extent) -> Iterator[Trial]:
    """Every trial, a case after the other, so that its data are made once."""
    for case in cases:
        for size in extent.sizes:
            for repeat in range(extent.repeats):
                for engine, recipe, block in _cells(case, extent):
                    yield Trial(case=case.name, engine=engine, recipe=recipe, block=block, size=size, repeat=repeat)


def protocol_of(suite: Suite, preset: Preset, trial: Trial) -> Protocol | None:
    """What the paper does, where the trial's recipe is the paper's.

    A device trains on images as they are, without crops and flips. The quick motivation has ten epochs, and in
    PyTorch no crops and flips either, so that both engines see the same images.
    """
    if trial.recipe != "paper" or trial.block is None:
        return None
    protocol = msgspec.structs.replace(paper_protocol(suite, trial.block), seed=trial.repeat)
    if suite == "motivation" and preset == "quick":
        protocol = msgspec.structs.replace(protocol, epochs=10, patience=5, augment=False)
    return msgspec.structs.replace(protocol, augment=False) if trial.engine == "device" else protocol


def _cells(case: Case, extent: Extent) -> Iterator[Cell]:
    if extent.cells is not None:
        yield from extent.cells
        return
    yield Cell("device", "none", None)
    yield Cell("device", "statistics", None)
    for block in BLOCKS:
        yield Cell("device", "default", block)
    if extent.policies is None or case.name in extent.policies:
        for policy in POLICIES:
            for block in BLOCKS:
                yield Cell("device", policy, block)
    if extent.engines is None or case.name in extent.engines:
        for block in (case.target, "full") if extent.target_only else BLOCKS:
            yield Cell("device", "paper", block)
            yield Cell("pytorch", "paper", block)
