"""Words and figures of the tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tbft_edge.figures import DASH
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.summary.grid import (
    DEFAULT,
    DEVICE,
    NONE,
    PYTORCH,
    SHOT,
    STATISTICS,
    T3A,
    TENT,
    UNLABELLED,
    Row,
)
from tbft_edge.reproduce.summary.spread import Spread
from tbft_edge.tables.table import Table

BLOCK_NAMES: Mapping[PaperBlock, str] = {
    "block1": "Block 1",
    "block2": "Block 2",
    "block3": "Block 3",
    "fc": "FC",
    "full": "Full",
}
ROW_NAMES: Mapping[Row, str] = {
    NONE: "no adaptation",
    STATISTICS: "statistics only",
    PYTORCH: "PyTorch, paper protocol",
    DEVICE: "device, paper protocol",
    DEFAULT: "device, our defaults",
    Row("device", "frozen"): "device, frozen",
    Row("device", "adapt"): "device, adapt",
    Row("device", "batch"): "device, batch",
    TENT: "PyTorch, Tent",
    SHOT: "PyTorch, SHOT",
    T3A: "PyTorch, T3A",
    UNLABELLED: "device, without labels",
}
# As the paper has them: the mean of the blocks stands before Full.
COLUMNS: tuple[PaperBlock | None, ...] = (*BLOCKS[:-1], None, BLOCKS[-1])
COLUMN_NAMES = [BLOCK_NAMES[block] if block else "Avg" for block in COLUMNS]
# A best one, told without colour.
BEST = "*"


@dataclass(frozen=True)
class Exhibit:
    """A table, and what to know when reading it. Lines of a cell or a column are parted by line breaks."""

    table: Table
    note: str = ""


def hundredths(found: Spread | None) -> str:
    """Mean and deviation of fractions in per cent, the deviation on a line of its own."""
    if found is None:
        return DASH
    return f"{100 * found.mean:.1f}" + ("" if found.deviation is None else f"\n± {100 * found.deviation:.1f}")


def starred(values: Mapping[PaperBlock, float]) -> set[PaperBlock]:
    """The best; several if they are equal."""
    best = max(values.values(), default=None)
    return {block for block, value in values.items() if value == best}


def points(difference: float) -> str:
    """A difference of fractions as percentage points, with its sign."""
    return f"{100 * difference:+.1f}"


def listed(names: Collection[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def counted(count: int, noun: str) -> str:
    """`1 drift`, `15 drifts`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def joined(lines: str) -> str:
    """Lines of a cell as one."""
    return lines.replace("\n", " ")


def number_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Its first column are names, the others figures."""
    return Table(title, columns, rows, numbers=True, lines=True)
