"""A table of words, for the terminal or as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tbft_artifacts.errors import one_line
from tbft_edge.console import print_table

# What Markdown, as GitHub reads it, would take for more than a character inside a cell.
_MARKUP = re.compile(r"[\\|`*_~\[\]<>&$]")


@dataclass(frozen=True)
class Table:
    """Columns and cells; with `numbers` all columns but the first are aligned to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool


def show(table: Table) -> None:
    """Print it on stdout. Control characters, which names of runs may hold, become spaces."""
    rows = [[one_line(cell) for cell in row] for row in table.rows]
    print_table(one_line(table.title), table.columns, rows, numbers=table.numbers)


def markdown(table: Table) -> str:
    """Its title in bold, and the table."""
    rule = ["---", *["---:" if table.numbers else "---"] * (len(table.columns) - 1)]
    lines = [
        [escape(column) for column in table.columns],
        rule,
        *([escape(cell) for cell in row] for row in table.rows),
    ]
    return f"**{escape(table.title)}**\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def escape(text: str) -> str:
    """`text` as Markdown that reads as it stands, on one line."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text).strip())
