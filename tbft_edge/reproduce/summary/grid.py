"""The records of a suite, found by row, column and size of a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from tbft_edge.reproduce.blocks import PaperBlock
from tbft_edge.reproduce.results import CaseSummary, Results
from tbft_edge.reproduce.summary.spread import Spread, spread
from tbft_edge.reproduce.trial import Engine, Outcome, Recipe, Trial

# What the paper averages over; full fine-tuning is what they are compared with.
SINGLE: tuple[PaperBlock, ...] = ("block1", "block2", "block3", "fc")
# Case -> repeat -> a figure of its outcome.
Figures = Mapping[str, Mapping[int, float]]


class Row(NamedTuple):
    """A row of a table: who trained, and how."""

    engine: Engine
    recipe: Recipe


NONE, STATISTICS = Row("device", "none"), Row("device", "statistics")
PYTORCH, DEVICE, DEFAULT = Row("pytorch", "paper"), Row("device", "paper"), Row("device", "default")
ROWS = (NONE, STATISTICS, PYTORCH, DEVICE, DEFAULT, *(Row("device", recipe) for recipe in ("frozen", "adapt", "batch")))
UNTRAINED = (NONE, STATISTICS)
TENT, SHOT, T3A = (Row("pytorch", recipe) for recipe in ("tent", "shot", "t3a"))
UNLABELLED = Row("device", "unlabelled")


@dataclass(frozen=True)
class Grid:
    """`outcomes` of trials; cases and sizes are in the order of the suite."""

    cases: tuple[CaseSummary, ...]
    sizes: tuple[int, ...]
    outcomes: Mapping[Trial, Outcome]

    def figures(
        self, row: Row, block: PaperBlock | None, size: int, figure: Callable[[Outcome], float | None]
    ) -> dict[str, dict[int, float]]:
        """The figure of every case and repeat that has it; cases without one are left out."""
        found: dict[str, dict[int, float]] = {case.name: {} for case in self.cases}
        for trial, outcome in self.outcomes.items():
            if (trial.engine, trial.recipe, trial.block, trial.size) == (*row, block, size):
                value = figure(outcome)
                if value is not None:
                    found[trial.case][trial.repeat] = value
        return {case: repeats for case, repeats in found.items() if repeats}

    def spread(self, figures: Figures, cases: Collection[str] | None = None) -> Spread | None:
        """Over drifts, each the mean of its repeats; over repeats where the suite has one drift."""
        kept = {case: list(values.values()) for case, values in figures.items() if cases is None or case in cases}
        if len(self.cases) == 1:
            return spread(value for values in kept.values() for value in values)
        return spread(fmean(values) for values in kept.values())


def grid(results: Results) -> Grid:
    """Raises KeyError if a record's case is not one of the suite's."""
    names = {case.name: case for case in results.cases}
    outcomes = {}
    for record in results.records:
        names[record.trial.case]
        outcomes[record.trial] = record.outcome
    return Grid(results.cases, tuple(sorted({trial.size for trial in outcomes})), outcomes)


def accuracy(outcome: Outcome) -> float:
    """Of the test images."""
    return outcome.accuracy


def shared(first: Figures, *others: Figures) -> Iterator[tuple[str, int]]:
    """Case and repeat of what all of them have, in the order of the first."""
    for case, repeats in first.items():
        for repeat in repeats:
            if all(repeat in other.get(case, {}) for other in others):
                yield case, repeat


def combined(combine: Callable[..., float], *figures: Figures) -> dict[str, dict[int, float]]:
    """A figure made of several, for each case and repeat that all of them have."""
    made: dict[str, dict[int, float]] = {}
    for case, repeat in shared(*figures):
        made.setdefault(case, {})[repeat] = combine(*(each[case][repeat] for each in figures))
    return made


def average(of_blocks: Mapping[PaperBlock, Figures]) -> dict[str, dict[int, float]]:
    """The mean of the four blocks, of each case and repeat that has them all."""
    return combined(lambda *values: fmean(values), *(of_blocks[block] for block in SINGLE))


def saving(part: Figures, whole: Figures) -> dict[str, dict[int, float]]:
    """The fraction of `whole` that `part` does without; nothing is said where the whole is nothing."""
    known = {case: {repeat: value for repeat, value in repeats.items() if value > 0} for case, repeats in whole.items()}
    return combined(lambda less, all_of_it: 1 - less / all_of_it, part, known)
