"""What training costs: seconds, steps, joules, and what a block saves against full fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tbft_edge.figures import DASH, significant
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.summary.accuracy import spread_words
from tbft_edge.reproduce.summary.grid import Figures, Grid, average, saving
from tbft_edge.reproduce.summary.names import COLUMN_NAMES, COLUMNS, Exhibit, hundredths, number_table
from tbft_edge.reproduce.summary.rows import ShownRow, parts, trained_rows
from tbft_edge.reproduce.summary.spread import Spread
from tbft_edge.reproduce.trial import Outcome

# Short, so that tables stay narrow.
UNAVAILABLE = "n/a"
_UNAVAILABLE_NOTE = "n/a: unavailable, nothing measured it."
# Figures of this many need a larger unit.
_MANY = 5000
_Figure = Callable[[Outcome], float | None]


@dataclass(frozen=True)
class _Unit:
    """So many of the smaller unit."""

    name: str
    size: float


def cost_exhibits(grid: Grid, size: int) -> list[Exhibit]:
    """Time, and energy where a meter gave any."""
    rows = trained_rows(grid, size)
    images = f"{size} % of the images train"
    exhibits = [
        _amounts(grid, rows, size, seconds, (_Unit("Seconds", 1), _Unit("Minutes", 60)), f"of training, {images}"),
        _amounts(grid, rows, size, step_ms, (_Unit("Milliseconds", 1), _Unit("Seconds", 1000)), f"per step, {images}"),
        _savings(grid, rows, size, seconds, f"Time saved in per cent, {images}"),
    ]
    if has_joules(grid):
        units = (_Unit("Joules", 1), _Unit("Kilojoules", 1000))
        exhibits.append(_amounts(grid, rows, size, joules, units, f"of training, {images}"))
        exhibits.append(_savings(grid, rows, size, joules, f"Energy saved in per cent, {images}"))
    return [exhibit for exhibit in exhibits if exhibit.table.rows]


def has_joules(grid: Grid) -> bool:
    """Whether any trial was metered."""
    return any(outcome.joules is not None for outcome in grid.outcomes.values())


def seconds(outcome: Outcome) -> float:
    """Of all epochs."""
    return outcome.seconds


def step_ms(outcome: Outcome) -> float | None:
    """Median of a run's steps, in milliseconds."""
    return outcome.step_ms


def joules(outcome: Outcome) -> float | None:
    """Of all epochs."""
    return outcome.joules


def savings(grid: Grid, row: ShownRow, size: int, figure: _Figure) -> dict[PaperBlock, Figures]:
    """What each block saves against Full by the same engine and recipe, case by case."""
    full = grid.figures(row.row, "full", size, figure)
    return {block: saving(grid.figures(row.row, block, size, figure), full) for block in BLOCKS[:-1]}


def _amounts(
    grid: Grid, rows: Sequence[ShownRow], size: int, figure: _Figure, units: tuple[_Unit, _Unit], title: str
) -> Exhibit:
    """In the larger unit where figures of the smaller one would make the table wide."""
    largest = max((value for each in grid.outcomes.values() if (value := figure(each)) is not None), default=0.0)
    unit = units[largest >= _MANY]

    def scaled(outcome: Outcome) -> float | None:
        value = figure(outcome)
        return None if value is None else value / unit.size

    cells = []
    for row in rows:
        of_blocks = {block: grid.figures(row.row, block, size, scaled) for block in BLOCKS}
        cells.append([row.label, *_line(grid, row, of_blocks, _ran(grid, row, size), _amount)])
    note = "The median of a run's steps." if figure is step_ms else "Of all epochs, validation included."
    return _exhibit(grid, rows, f"{unit.name} {title}", note, cells)


def _savings(grid: Grid, rows: Sequence[ShownRow], size: int, figure: _Figure, title: str) -> Exhibit:
    cells = []
    for row in rows:
        # Full is what the others are held against: nothing is said of itself.
        of_blocks = {**savings(grid, row, size, figure), "full": {}}
        ran = _ran(grid, row, size) - {"full"}
        cells.append([row.label, *_line(grid, row, of_blocks, ran, hundredths)])
    note = "Against Full by the same engine and recipe on the same drift; less than zero is more than Full takes."
    return _exhibit(grid, rows, title, note, cells)


def _exhibit(grid: Grid, rows: Sequence[ShownRow], title: str, note: str, cells: Sequence[Sequence[str]]) -> Exhibit:
    missing = _UNAVAILABLE_NOTE if any(UNAVAILABLE in line for line in cells) else ""
    words = " ".join(part for part in (note, missing, spread_words(grid)) if part)
    return Exhibit(number_table(title, ["", *COLUMN_NAMES], cells), words + parts([*rows], grid))


def _line(
    grid: Grid,
    row: ShownRow,
    of_blocks: Mapping[PaperBlock, Figures],
    ran: set[PaperBlock],
    words: Callable[[Spread], str],
) -> list[str]:
    cells = []
    for column in COLUMNS:
        found = grid.spread(average(of_blocks) if column is None else of_blocks[column], row.cases)
        missing = UNAVAILABLE if (set(BLOCKS[:-1]) <= ran if column is None else column in ran) else DASH
        cells.append(missing if found is None else words(found))
    return cells


def _ran(grid: Grid, row: ShownRow, size: int) -> set[PaperBlock]:
    """Blocks that were trained in it: what is missing of them was not measured."""
    return {block for block in BLOCKS if grid.figures(row.row, block, size, seconds)}


def _amount(found: Spread) -> str:
    """Three digits that matter, and the deviation with as many decimals."""
    mean = significant(found.mean)
    decimals = len(mean.partition(".")[2])
    return mean + ("" if found.deviation is None else f"\n± {found.deviation:,.{decimals}f}")
