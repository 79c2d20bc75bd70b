"""How train steps were spread, and power, temperature and clock over a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tbft_edge import figures
from tbft_edge.pages.charts.axis import Axis, around, from_zero
from tbft_edge.pages.charts.bars import histogram
from tbft_edge.pages.charts.lines import Line, LineChart, line_chart
from tbft_edge.pages.charts.plot import Mark
from tbft_edge.pages.document import figure, missing, plots
from tbft_edge.pages.markup import Markup, join
from tbft_edge.pages.said import estimate_badge
from tbft_runtime.energy.result import Telemetry
from tbft_runtime.reporting.report import Report

# A constant temperature shall not look like a wild one.
LEAST_DEGREES = 10
LONG_SECONDS = 600


@dataclass(frozen=True)
class _Quantity:
    """Something measured over time, and why it is missing where it is."""

    name: str
    unit: str
    read: Callable[[Telemetry], float | None]
    axis: Callable[[Sequence[float]], Axis]
    words: Callable[[float | None], str]
    absent: str


def board_plots(report: Report) -> Markup:
    """The histogram, and what there is over time."""
    energy, looked = report.result.energy, bool(report.telemetry)
    silent = "the board does not say" if looked else "nothing was looked at during the run"
    no_watts = energy.unavailable or ("the meter gave no watts" if looked else silent)
    power = _Quantity("power", "W", lambda t: t.watts, from_zero, figures.watts, no_watts)
    heat = _Quantity("temperature", "°C", lambda t: t.celsius, _degrees, figures.celsius, silent)
    clock = _Quantity("clock", "MHz", lambda t: t.megahertz, from_zero, figures.megahertz, silent)
    return plots(
        _steps(report),
        _over_time(report, "Power over time", power, estimate_badge(energy.source)),
        _two_over_time(report, "Temperature and clock over time", heat, clock),
    )


def _steps(report: Report) -> Markup:
    spread, steps = report.result.latency.get("step"), report.step_ms
    if spread is None or steps is None or not steps.counts:
        return missing("Time of train steps", "no train step was timed")
    marks = [
        Mark(spread.p50_ms, f"p50 {figures.milliseconds(spread.p50_ms)}"),
        Mark(spread.p95_ms, f"p95 {figures.milliseconds(spread.p95_ms)}"),
        Mark(spread.p99_ms, f"p99 {figures.milliseconds(spread.p99_ms)}"),
    ]
    note = f"{figures.count(spread.count, 'step')}; {spread.warm_up} before, to warm up, are left out."
    described = "Histogram of train steps: " + ", ".join(mark.name for mark in marks)
    return figure("Time of train steps", note, histogram(described, steps.edges, steps.counts, marks, "ms", "steps"))


def _over_time(report: Report, title: str, quantity: _Quantity, badge: Markup) -> Markup:
    chart = _chart(report, quantity)
    if chart is None:
        return missing(title, quantity.absent)
    return figure(title, join([_range(report, quantity), badge]), line_chart(chart))


def _two_over_time(report: Report, title: str, *quantities: _Quantity) -> Markup:
    """Low charts in one figure; what is missing is said in its note."""
    charts = [_chart(report, quantity, low=True) for quantity in quantities]
    drawn = [line_chart(chart) for chart in charts if chart is not None]
    if not drawn:
        return missing(title, quantities[0].absent)
    notes = [
        f"{quantity.name.capitalize()} unavailable: {quantity.absent}." if chart is None else _range(report, quantity)
        for quantity, chart in zip(quantities, charts, strict=True)
    ]
    return figure(title, " ".join(notes), *drawn)


def _known(report: Report, quantity: _Quantity) -> list[float]:
    return [value for sample in report.telemetry if (value := quantity.read(sample)) is not None]


def _range(report: Report, quantity: _Quantity) -> str:
    """Lowest and highest, and whether there are gaps."""
    known, words = _known(report, quantity), quantity.words
    low, high = words(min(known)), words(max(known))
    gaps = " Gaps: no reading." if len(known) < len(report.telemetry) else ""
    if low == high:
        return f"Always {low}.{gaps}"
    return f"{low} to {high}.{gaps}"


def _chart(report: Report, quantity: _Quantity, *, low: bool = False) -> LineChart | None:
    """Over seconds, or minutes if they are many; None where nothing is known."""
    known = _known(report, quantity)
    if not known:
        return None
    in_minutes = report.telemetry[-1].seconds > LONG_SECONDS
    scale = 60 if in_minutes else 1
    points = tuple((sample.seconds / scale, quantity.read(sample)) for sample in report.telemetry)
    return LineChart(
        description=f"{quantity.name} over time: {_range(report, quantity)}",
        x=_until([x for x, _ in points]),
        y=quantity.axis(known),
        x_label=f"{'minutes' if in_minutes else 'seconds'} since the first epoch began",
        y_label=quantity.unit,
        lines=(Line(quantity.name, points),),
        low=low,
    )


def _until(seconds: Sequence[float]) -> Axis:
    """From 0 to exactly the last moment."""
    axis = from_zero(seconds)
    last = max(max(seconds), axis.ticks[1] / 1000)
    return Axis(0, last, tuple(tick for tick in axis.ticks if tick <= last))


def _degrees(values: Sequence[float]) -> Axis:
    return around(values, LEAST_DEGREES)
