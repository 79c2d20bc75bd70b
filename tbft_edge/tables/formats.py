"""The forms in which a result can be printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tbft_artifacts.errors import TbftError
from tbft_edge.console import print_text, say

if TYPE_CHECKING:
    from tbft_edge.tables.table import Table


Format = Literal["table", "json", "html", "csv", "markdown"]


def output_format(output: Format | None, *, json: bool) -> Format:
    """What --format and --json ask for together. Raises TbftError where they contradict each other."""
    if json and output not in (None, "json"):
        raise TbftError(f"--json and --format {output} contradict each other", "give one of them")
    return "json" if json else output or "table"


def print_tables(tables: Sequence[Table], notes: Sequence[str], chosen: Literal["table", "markdown"]) -> None:
    """Tables on stdout; notes below them in Markdown, else on stderr."""
    from tbft_edge.tables.table import escape, markdown, show

    if chosen == "markdown":
        print_text("\n".join(map(markdown, tables)))
        print_text("".join(["\n", *(f"- {escape(note)}\n" for note in notes)]) if notes else "")
        return
    for table in tables:
        show(table)
    for note in notes:
        say(note)
