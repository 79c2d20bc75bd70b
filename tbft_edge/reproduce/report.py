"""Results on the terminal, and as a page."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.words import as_line
from tbft_edge.console import output_width, print_line, say
from tbft_edge.reproduce.results import Results
from tbft_edge.reproduce.results_page import results_page
from tbft_edge.reproduce.summary.names import Exhibit
from tbft_edge.reproduce.summary.verdict import Verdict
from tbft_edge.reproduce.summary.whole import Summary, summarize
from tbft_edge.tables.table import show


def print_results(results: Results) -> None:
    """Verdicts and tables on stdout; what to know of the figures, and where they come from, on stderr."""
    summary = summarize(results)
    _print_verdicts(summary)
    for section in summary.sections:
        for exhibit in section.exhibits:
            _print_exhibit(exhibit)
    for remark in summary.remarks:
        say(remark)


def write_page(results: Results, path: Path) -> Path:
    """Write the HTML page, all or nothing; returns `path`. Raises OSError if it cannot be written."""
    with atomic_file(path) as temporary:
        temporary.write_text(results_page(results), encoding="utf-8")
    return path


def _print_verdicts(summary: Summary) -> None:
    print_line(summary.title)
    for verdict in summary.verdicts:
        for line in _verdict_lines(verdict, output_width()):
            print_line(line)


def _verdict_lines(verdict: Verdict, width: int) -> list[str]:
    claim = textwrap.wrap(f"{verdict.word}: {verdict.claim}.", width, subsequent_indent="  ")
    reasons = [
        textwrap.wrap(as_line(line), width, initial_indent="  - ", subsequent_indent="    ") for line in verdict.lines
    ]
    return ["", *claim, *(line for reason in reasons for line in reason)]


def _print_exhibit(exhibit: Exhibit) -> None:
    title = exhibit.table.title
    show(replace(exhibit.table, title=f"{title}. {exhibit.note}" if exhibit.note else title))
