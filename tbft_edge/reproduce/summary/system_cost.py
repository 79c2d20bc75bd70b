"""The paper's system cost: what an epoch of each block costs at 32 and at 128 pixels, beside the paper's figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from statistics import fmean

from tbft_edge.figures import DASH, significant
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.paper import SYSTEM_COST, Cost
from tbft_edge.reproduce.summary.costs import step_ms
from tbft_edge.reproduce.summary.grid import SINGLE, Grid, Row
from tbft_edge.reproduce.summary.names import COLUMN_NAMES, COLUMNS, ROW_NAMES, Exhibit, number_table
from tbft_edge.reproduce.summary.rows import trained_rows
from tbft_edge.reproduce.summary.verdict import Verdict
from tbft_edge.reproduce.trial import Outcome

PAPER = "the paper, Raspberry Pi"


def system_cost_exhibits(grid: Grid, size: int) -> list[Exhibit]:
    """For each case seconds of a median epoch, and what of them is saved against Full."""
    exhibits = []
    for case in grid.cases:
        paper = paper_cost(case.name)
        rows = [row.row for row in trained_rows(grid, size) if case.name in row.cases]
        ours = {row: epoch_seconds(grid, row, case.name, size) for row in rows}
        steps = [[ROW_NAMES[row], *_line(of_case(grid, row, case.name, size, step_ms))] for row in rows]
        seconds = [[ROW_NAMES[row], *_line(found)] for row, found in ours.items()]
        saved = [[ROW_NAMES[row], *_line(saved_of(found), 100)] for row, found in ours.items()]
        if paper is not None:
            seconds.insert(0, [PAPER, *_line(paper.seconds)])
            saved.insert(0, [PAPER, *_line({block: value / 100 for block, value in paper.saving.items()}, 100)])
        columns = ["", *COLUMN_NAMES]
        exhibits.append(Exhibit(number_table(f"{case.name}: seconds of a median epoch", columns, seconds)))
        exhibits.append(Exhibit(number_table(f"{case.name}: median step in milliseconds", columns, steps)))
        note = "Of a median epoch's seconds, against Full by the same engine and recipe; the paper's are of its energy."
        exhibits.append(Exhibit(number_table(f"{case.name}: saved in per cent", columns, saved), note))
    return exhibits


def cost_verdict(grid: Grid, sizes: tuple[int, ...]) -> Verdict:
    """On the device, do blocks cost less in the paper's order, Block 1 most and FC least?"""
    lines, holds = [], []
    for case in grid.cases:
        for size in sizes:
            for row in (found.row for found in trained_rows(grid, size) if found.row.engine == "device"):
                saved = saved_of(epoch_seconds(grid, row, case.name, size))
                if set(SINGLE) <= set(saved):
                    amounts = [saved[block] for block in SINGLE]
                    holds.append(amounts == sorted(amounts) and amounts[0] > 0)
                    figures = " / ".join(f"{100 * amount:.1f}" for amount in amounts)
                    paper = paper_cost(case.name)
                    theirs = " / ".join(f"{paper.saving[block]:.1f}" for block in SINGLE) if paper else DASH
                    lines.append(f"{case.name}, {ROW_NAMES[row]}: {figures} per cent saved; the paper {theirs}.")
    claim = "Block 1, 2, 3 and FC save more time against Full, in this order, as in the paper"
    return Verdict(claim, all(holds) if holds else None, tuple(lines))


def paper_cost(case: str) -> Cost | None:
    """What the paper has for images of the side that the case's name says, as in `32 px`."""
    side = re.match(r"(\d+) px$", case)
    return SYSTEM_COST.get(int(side[1])) if side else None


def epoch_seconds(grid: Grid, row: Row, case: str, size: int) -> dict[PaperBlock, float]:
    """Seconds of a median epoch of each block; means over repeats."""
    return of_case(grid, row, case, size, lambda outcome: outcome.epoch_seconds)


def of_case(
    grid: Grid, row: Row, case: str, size: int, figure: Callable[[Outcome], float | None]
) -> dict[PaperBlock, float]:
    """A figure of each block that has it; means over repeats."""
    found = {block: grid.figures(row, block, size, figure).get(case) for block in BLOCKS}
    return {block: fmean(repeats.values()) for block, repeats in found.items() if repeats}


def saved_of(amounts: dict[PaperBlock, float]) -> dict[PaperBlock, float]:
    """The fraction of Full that each block does without."""
    full = amounts.get("full")
    return {block: 1 - amounts[block] / full for block in SINGLE if block in amounts} if full else {}


def _line(values: dict[PaperBlock, float], factor: float = 1) -> list[str]:
    cells = []
    for block in COLUMNS:
        known = [values[single] for single in SINGLE if single in values]
        value = values.get(block) if block else fmean(known) if len(known) == len(SINGLE) else None
        if value is None:
            cells.append(DASH)
        else:
            cells.append(significant(value) if factor == 1 else f"{factor * value:.1f}")
    return cells
