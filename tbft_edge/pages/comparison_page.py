"""Runs beside each other: the page of `tbft-edge report --format html`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tbft_edge.facts import compared
from tbft_edge.facts.cautions import cautions
from tbft_edge.facts.fact import Fact
from tbft_edge.facts.run import among_others
from tbft_edge.facts.trained import trained
from tbft_edge.figures import UNAVAILABLE, count
from tbft_edge.pages.breaks import breakable
from tbft_edge.pages.charts.bars import Bar, long_bars
from tbft_edge.pages.document import card, figure, page, pair, section, table, tables, warnings
from tbft_edge.pages.markup import Markup, element, join
from tbft_edge.pages.said import figure as marked
from tbft_edge.pages.said import listed
from tbft_edge.tables.costs import columns_with_old_data, notes
from tbft_runtime.reporting.comparison import Comparison, Row
from tbft_runtime.reporting.report import Report

_COLUMNS = (
    compared.epochs,
    compared.time,
    compared.saved_time,
    compared.energy,
    compared.saved_energy,
    compared.before_and_after,
    compared.gained,
    compared.joules_per_point,
)


def comparison_page(comparison: Comparison, reports: Sequence[Report]) -> str:
    """The page as one HTML file; `reports` are those of the comparison's rows, in their order."""
    rows = comparison.rows
    bars = pair(
        _bars("Time in epochs", rows, lambda row: row.seconds, compared.time),
        _bars("Energy in epochs", rows, lambda row: row.joules, compared.energy),
    )
    body = [
        element("header", element("h1", f"{count(len(rows), 'run')} compared"), _said(rows)),
        section("What it costs, and what it gains", element("div", _table(rows), class_="card")),
        warnings(notes(comparison)),
        section("Time and energy", bars),
        section("The runs", tables(*(_run(row, report) for row, report in zip(rows, reports, strict=True)))),
        element("footer", f"tbft-edge, comparison format {comparison.format}."),
    ]
    return page("Runs compared", body)


def _said(rows: Sequence[Row]) -> Markup:
    words = "No run trained everything on the same data and board, so nothing can be said to be saved."
    if any(row.baseline for row in rows):
        words = "Saved: against the run on the same data and board that trained everything (◆)."
    return element("p", words, class_="soft")


def _table(rows: Sequence[Row]) -> Markup:
    facts = [[column(row) for column in columns_with_old_data(_COLUMNS, rows)] for row in rows]
    columns = ["run", *(column.name for column in facts[0])]
    return table(
        columns, [[_name(row), *map(_cell, said)] for row, said in zip(rows, facts, strict=True)], stacking=True
    )


def _name(row: Row) -> Markup:
    what = f"{row.drift or row.method}: {trained(row.drift, row.blocks)}"
    return join([breakable(row.run), " ◆" if row.baseline else "", element("small", breakable(what))])


def _cell(fact: Fact) -> Markup:
    """What to know of a figure stands below it, where the column stays narrow."""
    return join([marked(fact), *([element("small", fact.remark)] if fact.remark else [])])


def _bars(title: str, rows: Sequence[Row], value: Callable[[Row], float | None], fact: Callable[[Row], Fact]) -> Markup:
    bars = [
        Bar(
            name=f"{row.run} ({row.drift or row.method}){' ◆' if row.baseline else ''}",
            value=value(row),
            figure=UNAVAILABLE if value(row) is None else fact(row).words,
            series=1 if row.baseline else 0,
        )
        for row in rows
    ]
    described = "; ".join(f"{bar.name}: {bar.figure}" for bar in bars)
    note = "Hatched: the run that trained everything." if any(row.baseline for row in rows) else "Less is better."
    return figure(title, note, long_bars(f"{title}. {described}", bars))


def _run(row: Row, report: Report) -> Markup:
    # What stands beside the table of all runs is not said again.
    own = [caution for caution in cautions(report) if caution not in row.notes]
    return card(row.run, listed(among_others(report)), warnings(own))
