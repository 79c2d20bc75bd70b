"""Comparisons as one Markdown page, with plots that lie beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbft_edge.compare.results import Results
from tbft_edge.compare.table import comparison_table, notes
from tbft_edge.compare.words import command, provenance, title
from tbft_edge.tables.table import escape, markdown

_INTRO = """# Methods compared

Every entry is trained on the same images in the same order, in a process of its own, one after the other. *Best at*
names the costs for which no other entry is at least as accurate for at most as much, and better in one of both; in the
plots a line joins these. [How it is measured](../compare.md). Written by `make comparison-page` from what these
commands gave:
"""


@dataclass(frozen=True)
class Shown:
    """A comparison, and where its plots lie as the page names it."""

    results: Results
    plots: str


def comparison_markdown(shown: Sequence[Shown]) -> str:
    """The whole page, a part per comparison in the order given."""
    commands = "\n".join(command(each.results) for each in shown)
    parts = [_INTRO, f"```\n{commands}\n```\n", *map(_section, shown)]
    return "\n".join(parts).rstrip("\n") + "\n"


def _section(shown: Shown) -> str:
    results = shown.results
    lines = [
        f"## {escape(title(results))}\n",
        markdown(comparison_table(results)),
        f"![Accuracy over time, energy and memory]({shown.plots})\n",
        *(f"- {escape(note)}" for note in notes(results)),
        "",
        "Where it comes from:\n",
        *(f"- {escape(name)}: {escape(value)}" for name, value in provenance(results)),
        "",
    ]
    return "\n".join(lines)
