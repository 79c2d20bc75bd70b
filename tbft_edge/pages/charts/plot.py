"""The area between two axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tbft_edge.figures import short
from tbft_edge.pages.charts.axis import Axis
from tbft_edge.pages.charts.svg import WIDTH, Label, row_of, text_width, write
from tbft_edge.pages.markup import Markup, element, number

BOTTOM, RIGHT = 40, 12
MARK_ROW = 15


@dataclass(frozen=True)
class Mark:
    """A vertical line at a value, and its name."""

    x: float
    name: str


@dataclass(frozen=True)
class Plot:
    """Axes and where they are: `top` is the upper end of the area, `height` that of the picture."""

    x: Axis
    y: Axis
    top: float
    height: float
    left: float
    y_text: Callable[[float], str] = short

    @property
    def bottom(self) -> float:
        """The lower end of the area."""
        return self.height - BOTTOM

    @property
    def right(self) -> float:
        """The right end of the area."""
        return WIDTH - RIGHT

    def place_x(self, value: float) -> float:
        """Pixels from the left."""
        return self.left + (self.right - self.left) * self.x.share(value)

    def place_y(self, value: float) -> float:
        """Pixels from above."""
        return self.bottom - (self.bottom - self.top) * self.y.share(value)


def plot(x: Axis, y: Axis, top: float, height: float, y_text: Callable[[float], str] = short) -> Plot:
    """A plot with room for the figures beside it."""
    widest = max(text_width(y_text(tick)) for tick in y.ticks)
    return Plot(x=x, y=y, top=top, height=height, left=max(24.0, widest + 8), y_text=y_text)


def axes(area: Plot, x_label: str, y_label: str, ticks: Sequence[Label], mark_rows: int = 0) -> list[Markup]:
    """Grid lines, figures beside them, labels below, and what both are.

    `ticks` are in pixels; `mark_rows` stay free for names of marks.
    """
    parts = [write(0, area.top - 12 - MARK_ROW * mark_rows, y_label, class_="tick")]
    for tick in area.y.ticks:
        at = area.place_y(tick)
        kind = "edge" if tick == area.y.low else "grid"
        parts.append(element("path", d=f"M{number(area.left)} {number(at)}H{number(area.right)}", class_=kind))
        parts.append(write(area.left - 6, at + 4, area.y_text(tick), anchor="end", class_="tick"))
    parts += row_of(ticks, area.bottom + 16)
    parts.append(write((area.left + area.right) / 2, area.height - 6, x_label, anchor="middle", class_="tick"))
    return parts


def tick_labels(area: Plot) -> list[Label]:
    """The labels of a numeric x axis."""
    return [Label(area.place_x(tick), short(tick)) for tick in area.x.ticks]


def marked(area: Plot, marks: Sequence[Mark]) -> list[Markup]:
    """Vertical lines at rising values, each with its name in a row of its own above the area.

    Names stand all left or all right of their lines, in the order in which no line crosses a name.
    """
    if not marks:
        return []
    widths = [text_width(mark.name) + 4 for mark in marks]
    to_left = area.place_x(marks[0].x) >= widths[0]
    lines, names = [], []
    for index, (mark, width) in enumerate(zip(marks, widths, strict=True)):
        x = area.place_x(mark.x)
        row = index if to_left else len(marks) - 1 - index
        y = area.top - 8 - MARK_ROW * row
        start = max(x - width, 0) if to_left else min(x + 4, WIDTH - width)
        lines.append(element("path", d=f"M{number(x)} {number(y - 9)}V{number(area.bottom)}", class_="mark-line"))
        names.append(write(start, y, mark.name, class_="mark-name"))
    return [*lines, *names]
