"""Points over two axes, each with its name, and a line along those that no other point beats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tbft_edge.figures import short
from tbft_edge.pages.charts.axis import Axis
from tbft_edge.pages.charts.labels import Box, place_labels
from tbft_edge.pages.charts.plot import BOTTOM, Plot, axes, plot, tick_labels
from tbft_edge.pages.charts.svg import SMALL, WIDTH, Picture, fitted, marker, picture, text_width, write
from tbft_edge.pages.markup import Markup, element, number

TOP, AREA = 26.0, 210.0
_NAME = 170.0
# Filled and round; hollow, grey and with corners.
_BEST, _BEATEN = 0, 7


@dataclass(frozen=True)
class Spot:
    """A point with its ranges (low, high) both ways. `best`: no other one has less x and more y."""

    name: str
    x: float
    y: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    best: bool
    tip: str


@dataclass(frozen=True)
class Scatter:
    """Less x is better, more y is."""

    description: str
    x: Axis
    y: Axis
    x_label: str
    y_label: str
    spots: tuple[Spot, ...]
    y_text: Callable[[float], str] = short


def scatter(chart: Scatter) -> Picture:
    """The chart; a name for which there is no room is left to pointing at its point."""
    area = plot(chart.x, chart.y, TOP, TOP + AREA + BOTTOM, chart.y_text)
    parts = axes(area, chart.x_label, chart.y_label, tick_labels(area))
    front, ranges = _front(area, chart.spots), [line for spot in chart.spots for line in _ranges(area, spot)]
    parts += [*_drawn(front, f"s s{_BEST}"), *_drawn(ranges, "edge spread")]
    # The best choose their places first.
    ordered = sorted(chart.spots, key=lambda spot: (not spot.best, spot.x, spot.y))
    parts += _names(area, ordered, [*front, *ranges])
    parts += [_mark(area, spot) for spot in ordered]
    return picture(chart.description, area.height, parts)


def _place(area: Plot, spot: Spot) -> tuple[float, float]:
    return area.place_x(spot.x), area.place_y(spot.y)


def _mark(area: Plot, spot: Spot) -> Markup:
    return marker(_BEST if spot.best else _BEATEN, *_place(area, spot), element("title", spot.tip))


def _front(area: Plot, spots: Sequence[Spot]) -> list[Box]:
    """The lines along the highest y that can be had for each x."""
    best = sorted(_place(area, spot) for spot in spots if spot.best)
    ends = [*best[1:], (area.right, best[-1][1])] if best else []
    lines = []
    for (x, y), (to_x, to_y) in zip(best, ends, strict=True):
        lines += [Box(x, y, to_x, y), Box(to_x, to_y, to_x, y)]
    return lines


def _drawn(lines: Sequence[Box], class_: str) -> list[Markup]:
    path = "".join(
        f"M{number(line.left)} {number(line.bottom)}L{number(line.right)} {number(line.top)}" for line in lines
    )
    return [element("path", d=path, class_=class_)] if path else []


def _ranges(area: Plot, spot: Spot) -> list[Box]:
    x, y = _place(area, spot)
    (left, right), (low, high) = map(area.place_x, spot.x_range), map(area.place_y, spot.y_range)
    lines = (Box(left, y, right, y), Box(x, high, x, low))
    return [line for line in lines if line.left < line.right or line.top < line.bottom]


def _names(area: Plot, spots: Sequence[Spot], lines: Sequence[Box]) -> list[Markup]:
    shown = [fitted(spot.name, _NAME, SMALL) for spot in spots]
    places = [_place(area, spot) for spot in spots]
    room = Box(area.left + 2, area.top - 8, WIDTH, area.bottom - 1)
    boxes = place_labels(places, [text_width(name, SMALL) for name in shown], room, lines)
    parts: list[Markup] = []
    for place, name, box in zip(places, shown, boxes, strict=True):
        if box is not None:
            parts += _leader(place, box)
            parts.append(write(box.left, box.bottom - 3.5, name, class_="halo", size=SMALL))
    return parts


def _leader(place: tuple[float, float], box: Box) -> list[Markup]:
    """A line from a point to a name that does not stand right beside it."""
    x, y = place
    if box.top <= y <= box.bottom:
        return []
    to_x = min(max(x, box.left), box.right)
    to_y = box.top if y < box.top else box.bottom
    return [element("path", d=f"M{number(x)} {number(y)}L{number(to_x)} {number(to_y)}", class_="edge")]
