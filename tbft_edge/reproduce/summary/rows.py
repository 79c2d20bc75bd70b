"""Which rows a table has, and over which drifts each of them is averaged."""

from __future__ import annotations

from dataclasses import dataclass

from tbft_edge.reproduce.summary.grid import DEFAULT, ROWS, UNTRAINED, Grid, Row
from tbft_edge.reproduce.summary.names import ROW_NAMES, counted, listed


@dataclass(frozen=True)
class ShownRow:
    """A row over `cases`. Its label says how many they are where they are not all."""

    row: Row
    cases: tuple[str, ...]
    label: str


def shown_rows(grid: Grid, size: int) -> list[ShownRow]:
    """Rows over all drifts, then rows over fewer, each of those groups with our defaults over the same drifts."""
    every = tuple(case.name for case in grid.cases)
    cases = {row: _cases(grid, row, size) for row in ROWS}
    rows = [_shown(row, every, every) for row in ROWS if cases[row] == every]
    for part in dict.fromkeys(found for found in cases.values() if found and found != every):
        has_defaults = set(part) <= set(cases[DEFAULT])
        rows += [_shown(row, part, every) for row in ROWS if cases[row] == part or (row == DEFAULT and has_defaults)]
    return rows


def trained_rows(grid: Grid, size: int) -> list[ShownRow]:
    """Those that train something."""
    return [row for row in shown_rows(grid, size) if row.row not in UNTRAINED]


def parts(rows: list[ShownRow], grid: Grid) -> str:
    """Which drifts the rows over fewer of them are about; nothing if there are no such rows."""
    found = dict.fromkeys(row.cases for row in rows if len(row.cases) < len(grid.cases))
    return "".join(f" {part_name(len(part), grid).capitalize()}: {listed(part)}." for part in found)


def part_name(count: int, grid: Grid) -> str:
    """`2 of 15 drifts`."""
    return f"{count} of {counted(len(grid.cases), 'drift')}"


def _cases(grid: Grid, row: Row, size: int) -> tuple[str, ...]:
    ran = {t.case for t in grid.outcomes if (t.engine, t.recipe, t.size) == (*row, size)}
    return tuple(case.name for case in grid.cases if case.name in ran)


def _shown(row: Row, cases: tuple[str, ...], every: tuple[str, ...]) -> ShownRow:
    few = "" if cases == every else f"\n({len(cases)} of {counted(len(every), 'drift')})"
    return ShownRow(row, cases, ROW_NAMES[row] + few)
