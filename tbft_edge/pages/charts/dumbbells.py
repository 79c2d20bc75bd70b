"""Before and after on one track per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbft_edge.figures import percent
from tbft_edge.pages.charts.axis import Axis
from tbft_edge.pages.charts.svg import WIDTH, Label, Picture, picture, row_of, write, write_fitted
from tbft_edge.pages.markup import element, number

ROW, TOP = 22, 24
NAMES, FIGURES = 104.0, 92.0
_AXIS = Axis(0, 1, (0, 0.5, 1))


@dataclass(frozen=True)
class Dumbbell:
    """A class, and the fractions (0 to 1) of its images that are right."""

    name: str
    before: float
    after: float


def dumbbells(description: str, rows: Sequence[Dumbbell]) -> Picture:
    """A hollow ring before, a full dot after, an arrow between them and both figures beside."""
    left, right = NAMES + 10, WIDTH - FIGURES - 8
    height = TOP + ROW * len(rows) + 4

    def place(fraction: float) -> float:
        return left + (right - left) * _AXIS.share(fraction)

    parts = [
        element("path", d=f"M{number(place(tick))} {TOP - 4}V{number(height - 4)}", class_="grid")
        for tick in _AXIS.ticks
    ]
    parts += row_of([Label(place(tick), f"{tick:.0%}") for tick in _AXIS.ticks], TOP - 10)
    for index, row in enumerate(rows):
        y = TOP + ROW * (index + 0.5)
        before, after = place(row.before), place(row.after)
        kind = "worse" if row.after < row.before else "better"
        parts.append(write_fitted(NAMES, y + 4, row.name, NAMES, anchor="end"))
        parts.append(element("path", d=f"M{number(before)} {number(y)}H{number(after)}", class_=f"span {kind}"))
        parts.append(element("circle", cx=before, cy=y, r=4, class_="ring"))
        parts.append(element("circle", cx=after, cy=y, r=4.5, class_=f"dot {kind}"))
        sign = "▼" if row.after < row.before else ""
        figures = f"{sign}{row.before:.0%} → {row.after:.0%}"
        tip = element("title", f"{row.name}: {percent(row.before)} before, {percent(row.after)} after")
        parts.append(element("text", figures, tip, x=WIDTH, y=y + 4, text_anchor="end", class_="tick"))
    return picture(description, height, parts)


def key() -> Picture:
    """What ring and dot mean, as a picture of its own."""
    parts = [
        element("circle", cx=8, cy=9, r=4, class_="ring"),
        write(18, 13, "before", class_="tick"),
        element("circle", cx=78, cy=9, r=4.5, class_="dot better"),
        write(88, 13, "after", class_="tick"),
        element("circle", cx=138, cy=9, r=4.5, class_="dot worse"),
        write(148, 13, "▼ after, and worse", class_="tick"),
    ]
    return picture("ring: before; dot: after", 18, parts)
