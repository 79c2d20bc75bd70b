"""Lines over a linear axis, one per series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite

from tbft_edge.figures import short
from tbft_edge.pages.charts.axis import Axis, few
from tbft_edge.pages.charts.plot import BOTTOM, MARK_ROW, Mark, Plot, axes, marked, plot, tick_labels
from tbft_edge.pages.charts.svg import Label, Picture, dash, legend, marker, picture
from tbft_edge.pages.markup import Markup, element, number

AREA, LOW_AREA = 150, 70
# More points than this stand too close for a mark each, or for a pixel each.
MARKED, DRAWN = 40, 400


@dataclass(frozen=True)
class Line:
    """A series: its name and points (x, y), y None where there is none, which breaks the line."""

    name: str
    points: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True)
class LineChart:
    """`ticks` are (x, text) where the axis shall have other ones than its own; a `low` chart is half as high."""

    description: str
    x: Axis
    y: Axis
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    ticks: tuple[tuple[float, str], ...] | None = None
    y_text: Callable[[float], str] = short
    low: bool = False


def line_chart(chart: LineChart) -> Picture:
    """The chart; a single line needs no legend."""
    parts: list[Markup] = []
    above = 0.0
    if len(chart.lines) > 1:
        parts, above = legend([(index, line.name) for index, line in enumerate(chart.lines)], "line")
    top = above + 26 + MARK_ROW * len(chart.marks)
    height = top + (LOW_AREA if chart.low else AREA) + BOTTOM
    area = plot(chart.x, chart.y, top, height, chart.y_text)
    ticks = tick_labels(area) if chart.ticks is None else [Label(area.place_x(x), text) for x, text in chart.ticks]
    parts += axes(area, chart.x_label, chart.y_label, ticks, len(chart.marks))
    parts += marked(area, chart.marks)
    for index, line in enumerate(chart.lines):
        parts += _line(area, index, line)
    return picture(chart.description, area.height, parts)


def _line(area: Plot, series: int, line: Line) -> list[Markup]:
    parts = []
    with_marks = len(line.points) <= MARKED
    for points in unbroken(line.points):
        placed = [(area.place_x(x), area.place_y(y)) for x, y in few(points, DRAWN)]
        path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in placed)
        # A point on its own is no line; a round cap makes it one.
        path += "h0" if len(placed) == 1 else ""
        parts.append(element("path", d=path, class_=f"s s{series}", stroke_dasharray=dash(series)))
        if with_marks:
            parts += [
                marker(series, *place, element("title", f"{line.name}: {area.y_text(y)} at {short(x)}"))
                for place, (x, y) in zip(placed, points, strict=True)
            ]
    return parts


def unbroken(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """The stretches of points that have a finite value."""
    known = [(x, y if y is not None and isfinite(y) else None) for x, y in points]
    return [
        [(x, y) for x, y in stretch if y is not None]
        for is_known, stretch in groupby(known, key=lambda point: point[1] is not None)
        if is_known
    ]
