"""A table of words, for the terminal or as Markdown; and figures for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tbft_artifacts.errors import one_line
from tbft_edge.console import output_width, print_table

# Between two columns on a terminal.
_GAP = 3
# What Markdown, as GitHub reads it, would take for more than a character inside a cell.
_MARKUP = re.compile(r"[\\|`*_~\[\]<>&$]")
# With one of these a cell is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Table:
    """Columns and cells; with `numbers` all columns but the first are aligned to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool


def show(table: Table) -> None:
    """Print it on stdout, turned where it is too wide for it and that helps.

    Control characters, which names of runs may hold, become spaces.
    """
    printable = replace(table, rows=[[one_line(cell) for cell in row] for row in table.rows])
    if _width(printable) > output_width():
        printable = min(printable, turned(printable), key=_width)
    print_table(one_line(table.title), printable.columns, printable.rows, numbers=table.numbers)


def turned(table: Table) -> Table:
    """Its columns as rows."""
    (corner, *runs), *rows = zip(table.columns, *table.rows, strict=True)
    cells = [[_joined(name), *others] for name, *others in rows]
    return replace(table, columns=[_joined(corner), *runs], rows=cells)


def _joined(column: str) -> str:
    return column.replace("\n", " ")


def _width(table: Table) -> int:
    """Columns of a terminal that it takes where nothing is folded."""
    from rich.cells import cell_len

    columns = zip(table.columns, *table.rows, strict=True)
    widths = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
    return sum(widths) + _GAP * (len(widths) - 1)


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


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as RFC 4180 has them: plain numbers, several words with semicolons, nothing for None."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_raw(value) for value in row])
    return text.getvalue()


def _raw(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        value = "; ".join(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
