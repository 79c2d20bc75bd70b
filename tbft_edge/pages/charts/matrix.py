"""Confusion matrices: figures where there are few classes, shades where there are many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tbft_edge.pages.charts.axis import grouped
from tbft_edge.pages.charts.svg import (
    SMALL,
    WIDTH,
    Label,
    Picture,
    evenly,
    picture,
    row_of,
    text_width,
    write,
    write_fitted,
)
from tbft_edge.pages.markup import Markup, element, number
from tbft_edge.pages.palette import HEATS

# More classes than these have no names beside their row, or no row of their own.
NAMED, ROWS = 24, 100
NAMES, LEGEND = 92.0, 26.0
TOP = 36.0


@dataclass(frozen=True)
class Matrix:
    """`images[true, predicted]` of the classes by index; pairs without any image are left out."""

    classes: Sequence[str]
    images: Mapping[tuple[int, int], int]


def matrix(description: str, confusion: Matrix) -> Picture:
    """Rows are what images show, columns what they were called; a cell is as dark as its part of the row is large."""
    count = len(confusion.classes)
    group = grouped(count, ROWS)
    side = -(-count // group)
    left = NAMES + 24 if side <= NAMED else 38.0
    cell = min((WIDTH - left - 2) / side, 34.0)
    cells: Counter[tuple[int, int]] = Counter()
    rows: Counter[int] = Counter()
    for (true, predicted), images in confusion.images.items():
        cells[true // group, predicted // group] += images
        rows[true // group] += images
    height = TOP + cell * side + LEGEND
    parts = [write(left, 12, "called …" if group == 1 else f"called … (classes in groups of {group})", class_="tick")]
    parts += _columns(side, group, left, cell)
    parts += _rows(confusion.classes, side, group, left, cell)
    parts += _cells(cells, rows, left, cell)
    parts.append(
        element(
            "path",
            d=f"M{number(left)} {TOP:.0f}h{number(cell * side)}v{number(cell * side)}h{number(-cell * side)}z",
            class_="frame",
        )
    )
    return picture(description, height, [*parts, *_legend(height - LEGEND + 8, left)])


def heat(part: float) -> int:
    """The shade, 0 (none) to 5, of a part of a row (0 to 1)."""
    return 0 if part <= 0 else min(1 + int(part * (HEATS - 1)), HEATS - 1)


def _cells(cells: Mapping[tuple[int, int], int], rows: Mapping[int, int], left: float, cell: float) -> list[Markup]:
    """One path per shade: a rectangle for each of ten thousand cells would make a large page."""
    paths: dict[int, list[str]] = {level: [] for level in range(1, HEATS)}
    figures = []
    widest = max((text_width(str(images), SMALL) for images in cells.values()), default=0.0)
    for (true, predicted), images in sorted(cells.items()):
        level = heat(images / rows[true])
        x, y = left + cell * predicted, TOP + cell * true
        if level:
            paths[level].append(f"M{number(x)} {number(y)}h{number(cell)}v{number(cell)}h{number(-cell)}z")
        if widest <= cell - 2:
            bold = "t" if true != predicted else "right t"
            place = {"x": x + cell / 2, "y": y + cell / 2 + 4}
            figures.append(write(**place, words=str(images), anchor="middle", class_=f"{bold}{level}", size=SMALL))
    drawn = [element("path", d="".join(path), class_=f"h{level}") for level, path in paths.items() if path]
    return drawn + figures


def _columns(side: int, group: int, left: float, cell: float) -> list[Markup]:
    labels = [Label(left + cell * (index + 0.5), str(index * group + 1)) for index in range(side)]
    return row_of(evenly(labels), TOP - 6)


def _rows(classes: Sequence[str], side: int, group: int, left: float, cell: float) -> list[Markup]:
    if side <= NAMED:
        size = min(12.0, max(cell, 9.0))
        parts = []
        for index, name in enumerate(classes):
            y = TOP + cell * (index + 0.5) + size * 0.35
            parts.append(write_fitted(left - 26, y, name, NAMES, anchor="end", size=size))
            parts.append(write(left - 5, y, str(index + 1), anchor="end", class_="tick", size=size))
        return parts
    every = grouped(side, int(cell * side / 18))
    return [
        write(left - 5, TOP + cell * (index + 0.5) + 4, str(index * group + 1), anchor="end", class_="tick")
        for index in range(0, side, every)
    ]


def _legend(y: float, left: float) -> list[Markup]:
    parts = [write(left, y + 11, "part of the row", class_="tick")]
    x = left + text_width("part of the row") + 6
    step = 14
    for level in range(1, HEATS):
        d = f"M{number(x + step * (level - 1))} {number(y + 1)}h{step}v12h-{step}z"
        parts.append(element("path", d=d, class_=f"h{level}"))
    parts.append(write(x + step * (HEATS - 1) + 6, y + 11, "0–100%", class_="tick"))
    return parts
