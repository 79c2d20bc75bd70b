"""What people see: tables on stdout, words and progress bars on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

# Wide enough that tables do not wrap where no terminal says its width.
PIPED_WIDTH = 120


def print_json(value: Any) -> None:
    """Write a msgspec struct, or plain data, as indented JSON on stdout."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def say(text: str) -> None:
    """A line of words on stderr."""
    sys.stderr.write(text + "\n")


def output_width() -> int:
    """Columns that fit on stdout."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal else PIPED_WIDTH


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> None:
    """A titled table on stdout; with `numbers` all columns but the first are aligned to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if numbers and index else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, emoji=False, highlight=False, width=output_width())
    console.print(f"\n{title}\n", soft_wrap=True)
    console.print(table)
