"""Accuracy by what is trained: the paper's table, its rows and those that it leaves out."""

from __future__ import annotations

from statistics import fmean

from tbft_edge.figures import DASH
from tbft_edge.reproduce.blocks import BLOCKS
from tbft_edge.reproduce.paper import ACCURACY
from tbft_edge.reproduce.summary.grid import SINGLE, UNTRAINED, Grid, accuracy, average
from tbft_edge.reproduce.summary.names import COLUMN_NAMES, COLUMNS, Exhibit, counted, hundredths, number_table
from tbft_edge.reproduce.summary.rows import ShownRow, parts, shown_rows

PAPER = "the paper\n(its own images)"


def accuracy_exhibit(suite: str, grid: Grid, size: int) -> Exhibit:
    """One row per engine and recipe, one column per block, their average, and full fine-tuning."""
    rows = shown_rows(grid, size)
    cells = [*_paper(suite, size), *([row.label, *_cells(grid, row, size)] for row in rows)]
    table = number_table(f"Accuracy in per cent, {size} % of the images train", ["", *COLUMN_NAMES], cells)
    note = f"{spread_words(grid)} Frozen, adapt, batch: our defaults with these batch norms for every block."
    return Exhibit(table, note + parts(rows, grid))


def spread_words(grid: Grid) -> str:
    """What ± stands for in every table of these results."""
    if len(grid.cases) > 1:
        return f"Mean ± standard deviation over drifts, of which there are {len(grid.cases)}."
    repeats = len({trial.repeat for trial in grid.outcomes})
    if repeats > 1:
        return f"One drift: mean ± standard deviation over {counted(repeats, 'repeat')}."
    return "One drift, one run: there is no deviation."


def _paper(suite: str, size: int) -> list[list[str]]:
    found = ACCURACY.get(suite, {}).get(size)
    if found is None:
        return []
    mean = fmean(found[block] for block in SINGLE)
    return [[PAPER, *(f"{found[block] if block else mean:.1f}" for block in COLUMNS)]]


def _cells(grid: Grid, row: ShownRow, size: int) -> list[str]:
    if row.row in UNTRAINED:
        found = grid.spread(grid.figures(row.row, None, size, accuracy), row.cases)
        return [hundredths(found)] * len(COLUMNS)
    blocks = {block: grid.figures(row.row, block, size, accuracy) for block in BLOCKS}
    cells = []
    for column in COLUMNS:
        figures = average(blocks) if column is None else blocks[column]
        cell = hundredths(grid.spread(figures, row.cases))
        covered = sum(case in figures for case in row.cases)
        # Where a column has fewer drifts than its row, its figure is about those alone.
        cells.append(cell if cell == DASH or covered == len(row.cases) else f"{cell}\n({counted(covered, 'drift')})")
    return cells
