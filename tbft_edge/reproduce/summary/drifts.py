"""Accuracy drift by drift, by our defaults."""

from __future__ import annotations

from statistics import fmean

from tbft_edge.figures import DASH
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.summary.grid import DEFAULT, NONE, SINGLE, STATISTICS, Grid, Row, accuracy
from tbft_edge.reproduce.summary.names import BEST, BLOCK_NAMES, Exhibit, number_table, starred


def drift_exhibit(grid: Grid, size: int) -> Exhibit:
    """A row per drift, a column per block; means over repeats."""
    columns = ["drift", "none", "norms", *(BLOCK_NAMES[block].replace(" ", "\n") for block in BLOCKS)]
    rows = [_row(grid, case.name, size) for case in grid.cases]
    table = number_table(
        f"Accuracy in per cent by drift, device, our defaults, {size} % of the images train", columns, rows
    )
    note = "None: no adaptation. Norms: only the batch-norm statistics are estimated again. *: the best single block."
    return Exhibit(table, note)


def _row(grid: Grid, case: str, size: int) -> list[str]:
    found = {block: mean_of(grid, DEFAULT, block, size, case) for block in BLOCKS}
    best = starred({block: value for block in SINGLE if (value := found[block]) is not None})
    untrained = [_figure(mean_of(grid, row, None, size, case)) for row in (NONE, STATISTICS)]
    return [case, *untrained, *(_figure(found[block]) + (BEST if block in best else "") for block in BLOCKS)]


def mean_of(grid: Grid, row: Row, block: PaperBlock | None, size: int, case: str) -> float | None:
    """Accuracy of one case, the mean over its repeats."""
    repeats = grid.figures(row, block, size, accuracy).get(case)
    return None if repeats is None else fmean(repeats.values())


def _figure(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.1f}"
