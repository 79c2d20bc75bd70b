"""Runs beside each other: the page of `tbft-edge report --format html`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tbft_edge import figures
from tbft_edge.figures import DASH, estimated, partial, percent, size
from tbft_edge.pages.charts.bars import Bar, long_bars
from tbft_edge.pages.document import badge, card, facts, figure, page, pair, section, table, tables, warnings
from tbft_edge.pages.headline import cautions, marked_joules, trained
from tbft_edge.pages.markup import Markup, element, join
from tbft_edge.tables.costs import notes
from tbft_runtime.reporting.caveats import COVERED
from tbft_runtime.reporting.comparison import Comparison, Row
from tbft_runtime.reporting.report import Report


def comparison_page(comparison: Comparison, reports: Sequence[Report]) -> str:
    """The page as one HTML file; `reports` are those of the comparison's rows, in their order."""
    rows = comparison.rows
    bars = pair(
        _bars("Time in epochs", rows, lambda row: row.seconds, lambda row: figures.seconds(row.seconds)),
        _bars("Energy in epochs", rows, lambda row: row.joules, _marked_joules),
    )
    body = [
        element("header", element("h1", f"{figures.count(len(rows), 'run')} compared"), _said(rows)),
        section("What it costs, and what it gains", element("div", _table(rows), class_="card")),
        warnings(notes(comparison)),
        section("Time and energy", bars),
        section("The runs", tables(*(_run(row.run, report) for row, report in zip(rows, reports, strict=True)))),
        element("footer", f"tbft-edge, comparison format {comparison.format}."),
    ]
    return page("Runs compared", body)


def _said(rows: Sequence[Row]) -> Markup:
    words = "No run trained everything on the same data and board, so nothing can be said to be saved."
    if any(row.baseline for row in rows):
        words = "Saved: against the run on the same data and board that trained everything (◆)."
    return element("p", words, class_="soft")


def _table(rows: Sequence[Row]) -> Markup:
    columns = ["run", "epochs", "time", "time saved", "energy", "energy saved", "accuracy", "gained", "per point"]
    cells = [
        [
            _name(row),
            str(row.epochs),
            figures.seconds(row.seconds),
            _saved(row, row.saved_seconds),
            _joules_cell(row),
            estimated(_saved(row, row.saved_joules), row.estimate),
            f"{percent(row.accuracy_before)} → {percent(row.accuracy_after)}",
            figures.points(row.gained_points),
            estimated(figures.joules(row.joules_per_point), row.estimate),
        ]
        for row in rows
    ]
    return table(columns, cells, stacking=True)


def _name(row: Row) -> Markup:
    what = f"{row.drift or row.method}: {', '.join(row.blocks) or 'statistics only'}"
    return join([row.run, " ◆" if row.baseline else "", element("small", what)])


def _saved(row: Row, part: float | None) -> str:
    """The baseline saves nothing against itself, which needs no figure."""
    return DASH if row.baseline else percent(part)


def _joules(row: Row) -> str:
    return "unavailable" if row.joules is None else figures.joules(row.joules)


def _joules_cell(row: Row) -> Markup:
    """What to know of the figure stands below it, where the column stays narrow."""
    marks = [" ", badge("estimate")] if row.estimate else []
    if row.joules is not None and row.covered < COVERED:
        marks.append(element("small", f"{row.covered:.0%} covered"))
    return join([_joules(row), *marks])


def _marked_joules(row: Row) -> str:
    words = _joules(row) if row.joules is None else partial(_joules(row), row.covered)
    return f"{words} estimate" if row.estimate else words


def _bars(title: str, rows: Sequence[Row], value: Callable[[Row], float | None], words: Callable[[Row], str]) -> Markup:
    bars = [
        Bar(
            name=f"{row.run} ({row.drift or row.method}){' ◆' if row.baseline else ''}",
            value=value(row),
            figure=words(row),
            series=1 if row.baseline else 0,
        )
        for row in rows
    ]
    described = "; ".join(f"{bar.name}: {bar.figure}" for bar in bars)
    note = "Hatched: the run that trained everything." if any(row.baseline for row in rows) else "Less is better."
    return figure(title, note, long_bars(f"{title}. {described}", bars))


def _run(name: str, report: Report) -> Markup:
    result = report.result
    energy = result.energy
    meter = energy.unavailable or "unavailable"
    if energy.source is not None:
        covered = f"{percent(energy.covered)} of the time covered"
        meter = f"{energy.source.meter} ({energy.source.type}), {covered}"
    step = result.latency.get("step")
    items = [
        ("trained", trained(result)),
        ("board", result.board.identity.model or "unknown"),
        ("data", report.data),
        ("images", f"{result.train_images:,} to train, {result.validation_images:,} to validate"),
        ("epochs", f"{result.epochs}, the best is {result.best_epoch or DASH}"),
        ("step (p50)", DASH if step is None else figures.milliseconds(step.p50_ms)),
        ("peak memory", size(result.peak_memory_bytes)),
        ("meter", meter),
        ("energy above idle", marked_joules(energy.net_joules, energy)),
        ("started", figures.moment(report.started_at)),
    ]
    return card(name, facts(items), warnings(cautions(report)))
