"""The page of a suite's results: what became of each claim, the tables, charts, and where all of it comes from."""

from __future__ import annotations

from tbft_edge.pages.document import card, facts, page, pair, section, table, warnings
from tbft_edge.pages.markup import Markup, element, join
from tbft_edge.reproduce.results import Results
from tbft_edge.reproduce.results_charts import charts
from tbft_edge.reproduce.summary.names import Exhibit, joined
from tbft_edge.reproduce.summary.verdict import Verdict
from tbft_edge.reproduce.summary.whole import summarize


def results_page(results: Results) -> str:
    """One HTML file without scripts, which loads nothing."""
    summary = summarize(results)
    drawn = charts(results)
    body = [
        element(
            "header",
            element("h1", f"The paper's experiments again: {summary.title}"),
            element("p", summary.source, class_="soft"),
        ),
        section("What the results say", pair(*map(_verdict, summary.verdicts))),
        warnings(summary.remarks),
        *(section(part.title, *map(_exhibit, part.exhibits)) for part in summary.sections),
        section("Charts", pair(*drawn)) if drawn else Markup(""),
        section("Where it comes from", element("div", facts(summary.provenance), class_="card")),
        element("footer", f"tbft-edge reproduce {results.suite}, results format {results.format}."),
    ]
    return page(f"{summary.title}: results", body)


def _verdict(verdict: Verdict) -> Markup:
    return card(f"{verdict.word}: {verdict.claim}", *(element("p", line, class_="note") for line in verdict.lines))


def _exhibit(exhibit: Exhibit) -> Markup:
    shown = exhibit.table
    rows = [[_name(name), *map(joined, figures)] for name, *figures in shown.rows]
    note = [element("p", exhibit.note, class_="note")] if exhibit.note else []
    return card(shown.title, *note, table([joined(column) for column in shown.columns], rows, stacking=True))


def _name(label: str) -> Markup:
    """What a label adds to its name stands below it, smaller."""
    first, *rest = label.split("\n")
    return join([first, *(element("small", f" {line}") for line in rest)])
