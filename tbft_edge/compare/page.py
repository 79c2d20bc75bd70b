"""Methods beside each other: the page of `tbft-edge compare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tbft_edge import figures
from tbft_edge.compare.results import EntryResult, Results
from tbft_edge.compare.table import MEASURED, accuracy_words, measured, notes, stated, stated_columns
from tbft_edge.compare.tradeoffs import Tradeoff, tradeoffs
from tbft_edge.compare.words import provenance, title
from tbft_edge.pages.document import card, facts, figure, missing, page, pair, section, table, tables, warnings
from tbft_edge.pages.markup import Markup, element, join

_PLOT = "Up and left is better. The line joins the entries that no other one beats; the others are grey."
_RANGES = " Thin lines reach from the least to the most of the repeats."
_BEST_AT = (
    "Best at: no other entry is at least as accurate for at most as much of it, and better in one of both. "
    "Above idle: what training added to the process."
)


def methods_page(results: Results) -> str:
    """One HTML file without scripts, which loads nothing."""
    drawn = sorted(tradeoffs(results), key=lambda plot: plot.picture is None)
    body = [
        element(
            "header",
            element("h1", f"{figures.count(len(results.entries), 'way')} to train compared"),
            element("p", f"{title(results)} · {results.board}", class_="soft"),
        ),
        section("What each costs, and what it gains", *_costs(results)),
        warnings(notes(results)),
        section("Trade-offs", pair(*(_figure(plot, results) for plot in drawn))),
        section("What was trained", tables(*map(_entry, results.entries))),
        section("Where it comes from", element("div", facts(provenance(results)), class_="card")),
        element("footer", f"tbft-edge compare, results format {results.format}."),
    ]
    return page("Methods compared", body)


def _costs(results: Results) -> tuple[Markup, Markup]:
    said = (
        f"FLOPs of a train step, and bytes of activations kept for its backward pass, are per {results.input_kind} and "
        "as the bundle states them."
    )
    runs = _table(MEASURED, results, lambda entry: measured(entry, results))
    return (
        card(accuracy_words(results), element("p", _BEST_AT, class_="note"), runs),
        card(
            "What is trained, and inference",
            element("p", said, class_="note"),
            _table(stated_columns(results), results, stated),
        ),
    )


def _table(columns: Sequence[str], results: Results, cells: Callable[[EntryResult], list[str]]) -> Markup:
    rows = [
        [join([entry.name, element("small", entry.chosen_by)]), *map(_cell, cells(entry))] for entry in results.entries
    ]
    return table(["entry", *(column.replace("\n", " ") for column in columns)], rows, stacking=True)


def _cell(words: str) -> Markup:
    """Where a range is given it stands below the median; what is no figure may take several lines."""
    shown, opening, rest = words.partition(" (")
    if opening:
        return join([shown, element("span", f"({rest}", class_="range")])
    return element("span", shown, class_="wrapped") if ", " in shown else join([shown])


def _figure(plot: Tradeoff, results: Results) -> Markup:
    if plot.picture is None:
        return missing(plot.title, plot.missing)
    return figure(plot.title, _PLOT + (_RANGES if results.repeats > 1 else ""), plot.picture)


def _entry(entry: EntryResult) -> Markup:
    epochs = ", ".join(str(run.epochs) for run in entry.runs)
    items = [
        ("plan", ", ".join(dict.fromkeys(run.plan for run in entry.runs)) or entry.plan),
        ("blocks", ", ".join(entry.blocks)),
        ("model", entry.model),
        ("bundle", f"{entry.bundle} ({entry.bundle_id[:12]})"),
        ("epochs", epochs or "none ended well"),
    ]
    return card(entry.name, facts(items))
