"""Results on the terminal, and as a page."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import one_line
from tbft_edge.console import output_width, print_table, say
from tbft_edge.reproduce.results import Results
from tbft_edge.reproduce.results_page import results_page
from tbft_edge.reproduce.summary.names import Exhibit
from tbft_edge.reproduce.summary.verdict import Verdict
from tbft_edge.reproduce.summary.whole import Summary, summarize


def print_results(results: Results) -> None:
    """Verdicts and tables on stdout; what to know of the figures, and where they come from, on stderr."""
    summary = summarize(results)
    _print_verdicts(summary)
    for section in summary.sections:
        for exhibit in section.exhibits:
            _print_exhibit(exhibit)
    for remark in summary.remarks:
        say(one_line(remark))


def write_page(results: Results, path: Path) -> Path:
    """Write the HTML page, all or nothing; returns `path`. Raises OSError if it cannot be written."""
    with atomic_file(path) as temporary:
        temporary.write_text(results_page(results), encoding="utf-8")
    return path


def _print_verdicts(summary: Summary) -> None:
    lines = [one_line(summary.title)]
    for verdict in summary.verdicts:
        lines += _verdict_lines(verdict, output_width())
    sys.stdout.write("\n".join(lines) + "\n")


def _verdict_lines(verdict: Verdict, width: int) -> list[str]:
    claim = textwrap.wrap(f"{verdict.word}: {verdict.claim}.", width, subsequent_indent="  ")
    reasons = [
        textwrap.wrap(one_line(line), width, initial_indent="  - ", subsequent_indent="    ") for line in verdict.lines
    ]
    return ["", *claim, *(line for reason in reasons for line in reason)]


def _print_exhibit(exhibit: Exhibit) -> None:
    table = exhibit.table
    rows = [["\n".join(map(one_line, cell.split("\n"))) for cell in row] for row in table.rows]
    columns = ["\n".join(map(one_line, column.split("\n"))) for column in table.columns]
    title = f"{table.title}. {exhibit.note}" if exhibit.note else table.title
    print_table("\n".join(textwrap.wrap(one_line(title), output_width())), columns, rows, numbers=table.numbers)
