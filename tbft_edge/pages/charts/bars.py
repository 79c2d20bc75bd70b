"""Bars: stacked ones, a histogram, and long ones with names above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbft_edge.pages.charts.axis import Axis, around, from_zero
from tbft_edge.pages.charts.plot import BOTTOM, MARK_ROW, Mark, axes, marked, plot, tick_labels
from tbft_edge.pages.charts.svg import (
    WIDTH,
    Label,
    Picture,
    evenly,
    filled,
    legend,
    picture,
    rectangle,
    text_width,
    write,
    write_fitted,
)
from tbft_edge.pages.markup import element

AREA = 150
ROW = 40


@dataclass(frozen=True)
class Stack:
    """A bar of parts, one per series from below; None where nothing is known of it."""

    name: str
    parts: tuple[float, ...] | None
    tip: str


@dataclass(frozen=True)
class Bar:
    """A long bar: `figure` is written behind it; without a value that is all there is. `series` is its pattern."""

    name: str
    value: float | None
    figure: str
    series: int = 0


def stacked_bars(
    description: str, series: Sequence[tuple[int, str]], stacks: Sequence[Stack], x_label: str, y_label: str
) -> Picture:
    """Bars beside each other, each from 0; `series` are (number, name) of their parts."""
    totals = [sum(stack.parts) for stack in stacks if stack.parts is not None]
    parts, above = legend(series, "area")
    area = plot(Axis(0, len(stacks), ()), from_zero(totals), above + 26, above + 26 + AREA + BOTTOM)
    slot = (area.right - area.left) / len(stacks)
    middles = [area.left + slot * (index + 0.5) for index in range(len(stacks))]
    parts += axes(area, x_label, y_label, evenly([Label(x, s.name) for x, s in zip(middles, stacks, strict=True)]))
    width = min(slot * 0.8, 36)
    for middle, stack in zip(middles, stacks, strict=True):
        if stack.parts is None:
            parts.append(write(middle, area.bottom - 5, "–", anchor="middle", class_="tick"))
            continue
        reached = 0.0
        for (number, _), part in zip(series, stack.parts, strict=True):
            low, high = area.place_y(reached), area.place_y(reached + part)
            if part > 0:
                parts += filled(number, middle - width / 2, high, width, low - high, element("title", stack.tip))
            reached += part
    return picture(description, area.height, parts)


def grouped_bars(
    description: str,
    series: Sequence[str],
    groups: Sequence[tuple[str, Sequence[float | None]]],
    x_label: str,
    y_label: str,
) -> Picture:
    """Groups (name, one value per series) of bars beside each other, each from 0; None leaves a gap."""
    values = [value for _, group in groups for value in group if value is not None]
    parts, above = legend(list(enumerate(series)), "area")
    area = plot(Axis(0, len(groups), ()), from_zero(values), above + 26, above + 26 + AREA + BOTTOM)
    slot = (area.right - area.left) / len(groups)
    width = slot * 0.8 / len(series)
    starts = [area.left + slot * (index + 0.1) for index in range(len(groups))]
    names = [Label(x + slot * 0.4, name) for x, (name, _) in zip(starts, groups, strict=True)]
    parts += axes(area, x_label, y_label, names)
    for start, (_, group) in zip(starts, groups, strict=True):
        for index, value in enumerate(group):
            if value is not None:
                y = area.place_y(value)
                parts += filled(index, start + width * index, y, width * 0.92, area.bottom - y)
    return picture(description, area.height, parts)


def histogram(
    description: str, edges: Sequence[float], counts: Sequence[int], marks: Sequence[Mark], x_label: str, y_label: str
) -> Picture:
    """Bars from edge to edge, with lines at the marks."""
    top = 26 + MARK_ROW * len(marks)
    values = [*edges, *(mark.x for mark in marks)]
    least = 0.1 * max(abs(value) for value in values) or 1.0
    area = plot(around(values, least), from_zero([float(max(counts, default=0))], 1.0), top, top + AREA + BOTTOM)
    parts = axes(area, x_label, y_label, tick_labels(area), len(marks))
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        left, right, y = area.place_x(low), area.place_x(high), area.place_y(count)
        tip = element("title", f"{low:.4g} to {high:.4g}: {count}")
        parts.append(rectangle(left + 0.5, y, max(right - left - 1, 0.5), area.bottom - y, "f0", tip))
    return picture(description, area.height, [*parts, *marked(area, marks)])


def long_bars(description: str, bars: Sequence[Bar]) -> Picture:
    """One bar below the other, all from 0."""
    widest = max(text_width(bar.figure) for bar in bars)
    room = WIDTH - min(widest, WIDTH / 2) - 8
    axis = from_zero([bar.value for bar in bars if bar.value is not None])
    parts = []
    for index, bar in enumerate(bars):
        y = ROW * index
        parts.append(write_fitted(0, y + 13, bar.name, WIDTH))
        if bar.value is None:
            parts.append(write_fitted(0, y + 30, bar.figure, WIDTH))
            continue
        length = max(room * axis.share(bar.value), 1.0)
        parts += filled(bar.series, 0, y + 19, length, 14)
        parts.append(write(length + 6, y + 30, bar.figure))
    return picture(description, ROW * len(bars), parts)
