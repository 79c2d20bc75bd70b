"""Small charts as SVG text: lines over a linear scale, and grouped bars. The same input gives the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

# Readable for people who see red and green alike.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
PANEL_WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 76, 44
LEGEND_COLUMNS, LEGEND_WIDTH = 2, 160
TICKS = 5


@dataclass(frozen=True)
class Series:
    """A name, and one value for each x or group; None where there is none."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Panel:
    """One chart. `labels` stand below: of the `positions` on a linear axis, or of groups of bars if there are none."""

    title: str
    x: str
    y: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    positions: tuple[float, ...] = ()


def charts(panels: Sequence[Panel]) -> str:
    """The panels side by side; every axis begins at 0."""
    width = PANEL_WIDTH * len(panels)
    body = [_panel(panel, PANEL_WIDTH * index) for index, panel in enumerate(panels)]
    size = f"width='{width}' height='{HEIGHT}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {HEIGHT}' {size}"
    style = "font-family='sans-serif' font-size='11'"
    return "\n".join([f"{head} {style}>", f"<rect {size} fill='white'/>", *body, "</svg>", ""])


def nice_step(largest: float) -> float:
    """1, 2 or 5 times a power of ten, so that about `TICKS` of them reach `largest`. Raises ValueError for 0."""
    if not (largest > 0 and math.isfinite(largest)):
        raise ValueError(f"no axis reaches {largest}")
    rough = largest / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def _panel(panel: Panel, left: int) -> str:
    values = [value for series in panel.series for value in series.values if value]
    largest = max(values, default=1.0)
    step = nice_step(largest)
    top = step * math.ceil(largest / step * 0.999)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top

    parts = [
        _text(left + LEFT, 16, panel.title, "font-weight='bold'"),
        _text(left + LEFT, TOP - 8, panel.y, "fill='#555'"),
        _text(left + (PANEL_WIDTH + LEFT - RIGHT) / 2, HEIGHT - 10, panel.x, "text-anchor='middle' fill='#555'"),
    ]
    for tick in range(round(top / step) + 1):
        at = y(tick * step)
        parts.append(f"<path d='M{left + LEFT} {at:.1f}H{left + PANEL_WIDTH - RIGHT}' stroke='#ddd'/>")
        parts.append(_text(left + LEFT - 6, at + 4, f"{tick * step:g}", "text-anchor='end'"))
    parts += _legend(panel, left)
    parts += _lines(panel, left, y) if panel.positions else _bars(panel, left, y)
    return "\n".join(parts)


def _lines(panel: Panel, left: int, y: Callable[[float], float]) -> list[str]:
    scale = (PANEL_WIDTH - LEFT - RIGHT - 10) / max(panel.positions)
    xs = [left + LEFT + position * scale for position in panel.positions]
    parts = []
    free = 0.0
    for x, label in zip(xs, panel.labels, strict=True):
        # Labels of small values would lie on each other.
        if x >= free:
            parts.append(_text(x, HEIGHT - BOTTOM + 14, label, "text-anchor='middle'"))
            free = x + 6 * len(label) + 8
    for colour, series in zip(COLOURS, panel.series, strict=False):
        points = [(x, y(value)) for x, value in zip(xs, series.values, strict=True) if value is not None]
        path = " ".join(f"{x:.1f},{at:.1f}" for x, at in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts += [f"<circle cx='{x:.1f}' cy='{at:.1f}' r='3' fill='{colour}'/>" for x, at in points]
    return parts


def _bars(panel: Panel, left: int, y: Callable[[float], float]) -> list[str]:
    group = (PANEL_WIDTH - LEFT - RIGHT) / len(panel.labels)
    bar = group * 0.8 / len(panel.series)
    parts = []
    for number, label in enumerate(panel.labels):
        begin = left + LEFT + group * (number + 0.1)
        parts.append(_text(begin + group * 0.4, HEIGHT - BOTTOM + 14, label, "text-anchor='middle'"))
        for index, (colour, series) in enumerate(zip(COLOURS, panel.series, strict=False)):
            value = series.values[number]
            if value is not None:
                at = y(value)
                height = y(0) - at
                parts.append(
                    f"<rect x='{begin + bar * index:.1f}' y='{at:.1f}' width='{bar * 0.92:.1f}' "
                    f"height='{height:.1f}' fill='{colour}'/>"
                )
    return parts


def _legend(panel: Panel, left: int) -> list[str]:
    parts = []
    for index, (colour, series) in enumerate(zip(COLOURS, panel.series, strict=False)):
        row, column = divmod(index, LEGEND_COLUMNS)
        x, y = left + LEFT + LEGEND_WIDTH * column, 24 + 16 * row
        parts.append(f"<rect x='{x}' y='{y}' width='10' height='10' fill='{colour}'/>")
        parts.append(_text(x + 14, y + 9, series.name))
    return parts


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {attributes}>{escape(text)}</text>"
