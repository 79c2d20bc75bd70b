"""The motivation's matrix: which block has noise, which one is trained; ours beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from tbft_edge.figures import DASH
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.paper import MOTIVATION
from tbft_edge.reproduce.summary.drifts import mean_of
from tbft_edge.reproduce.summary.grid import DEFAULT, DEVICE, NONE, PYTORCH, SINGLE, STATISTICS, Grid, Row
from tbft_edge.reproduce.summary.names import (
    BEST,
    BLOCK_NAMES,
    COLUMN_NAMES,
    COLUMNS,
    ROW_NAMES,
    Exhibit,
    number_table,
    starred,
)


def matrix_exhibits(grid: Grid, size: int) -> list[Exhibit]:
    """A matrix for each way of training that was run; a case's target is the block with noise."""
    found = [(row, _of_row(grid, row, size)) for row in (DEFAULT, DEVICE, PYTORCH)]
    return [_exhibit(grid, row, values, size) for row, values in found if any(values.values())]


def _of_row(grid: Grid, row: Row, size: int) -> dict[str, dict[PaperBlock, float]]:
    """Case -> trained block -> per cent."""
    return {
        case.name: {
            block: 100 * value for block in BLOCKS if (value := mean_of(grid, row, block, size, case.name)) is not None
        }
        for case in grid.cases
    }


def _exhibit(grid: Grid, row: Row, ours: Mapping[str, Mapping[PaperBlock, float]], size: int) -> Exhibit:
    columns = ["trained", *(f"noise on\n{BLOCK_NAMES[case.target]}" for case in grid.cases)]
    cells = [[name] for name in COLUMN_NAMES]
    for case in grid.cases:
        paper = MOTIVATION.get(case.target, {})
        pairs = zip(_column(ours[case.name]), _column(paper), strict=True)
        for line, (our, their) in zip(cells, pairs, strict=True):
            line.append(f"{our} / {their}")
    for untrained in (NONE, STATISTICS) if row == DEFAULT else ():
        means = [mean_of(grid, untrained, None, size, case.name) for case in grid.cases]
        cells.append(
            [ROW_NAMES[untrained], *(DASH if mean is None else f"{100 * mean:.1f} / {DASH}" for mean in means)]
        )
    title = f"Accuracy in per cent, {ROW_NAMES[row]}: ours / the paper's, {size} % of the images train"
    note = "The paper trains on 5,000 images of its own in 50 epochs. *: the best single block for this noise."
    return Exhibit(number_table(title, columns, cells), note)


def _column(values: Mapping[PaperBlock, float]) -> list[str]:
    best = starred({block: values[block] for block in SINGLE if block in values})
    cells = []
    for block in COLUMNS:
        if block is None:
            known = [values[single] for single in SINGLE if single in values]
            cells.append(f"{fmean(known):.1f}" if len(known) == len(SINGLE) else DASH)
        else:
            cells.append((f"{values[block]:.1f}" if block in values else DASH) + (BEST if block in best else ""))
    return cells
