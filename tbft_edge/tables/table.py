"""A table of words, for the terminal or as Markdown; and figures for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tbft_artifacts.words import as_cell, as_line
from tbft_edge import console

# Between two columns on a terminal.
_GAP = 3
# What Markdown, as GitHub reads it, would take for more than a character inside a cell.
_MARKUP = re.compile(r"[\\|`*_~\[\]<>&$]")
# With one of these a cell is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Table:
    """Columns and cells; with `numbers` all columns but the first are aligned to the right.

    A column's name may have several lines, and so may a cell of a table with `lines`, whose words are all our own.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool = False
    lines: bool = False


def show(table: Table) -> None:
    """Print it on stdout, turned where it is too wide for it and that helps."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            """As for everything else that is printed; rich would end the process with an exit code of its own."""
            raise BrokenPipeError

    shown = cleaned(table)
    if _width(shown) > console.output_width():
        shown = min(shown, turned(shown), key=_width)
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, column in enumerate(shown.columns):
        grid.add_column(column, justify="right" if table.numbers and index else "left", overflow="fold")
    for row in shown.rows:
        grid.add_row(*row)
    screen = Screen(markup=False, emoji=False, highlight=False, width=console.output_width())
    title = textwrap.fill(shown.title, console.output_width(), break_long_words=False, break_on_hyphens=False)
    screen.print(f"\n{title}\n", soft_wrap=True)
    screen.print(grid)


def cleaned(table: Table) -> Table:
    """The same for people: no name in it does more than be read, nor fills the screen."""
    cell = _by_line if table.lines else as_cell
    return replace(
        table,
        title=as_line(table.title),
        columns=[_by_line(column) for column in table.columns],
        rows=[[cell(text) for text in row] for row in table.rows],
    )


def _by_line(text: str) -> str:
    return "\n".join(map(as_cell, text.split("\n")))


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
    shown = cleaned(replace(table, lines=False))
    rule = ["---", *["---:" if shown.numbers else "---"] * (len(shown.columns) - 1)]
    lines = [
        [escape(column) for column in shown.columns],
        rule,
        *([escape(cell) for cell in row] for row in shown.rows),
    ]
    return f"**{escape(shown.title)}**\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def escape(text: str) -> str:
    """`text` as Markdown that reads as it stands, on one line."""
    return _MARKUP.sub(r"\\\g<0>", as_line(text).strip())


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as RFC 4180 has them: plain numbers, several words with semicolons, nothing for None; words are cleaned."""
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
        words = "; ".join(map(as_line, value))
    elif isinstance(value, str):
        words = as_line(value)
    else:
        return value
    return f"'{words}" if words.lstrip().startswith(_FORMULA) else words
