"""Long names in a picture: on two lines, broken between their parts."""

from __future__ import annotations

from tbft_edge.pages.breaks import pieces
from tbft_edge.pages.charts.svg import fitted, text_width, write
from tbft_edge.pages.markup import Markup, element

LINE = 14.0


def in_two_lines(name: str, width: float) -> list[str]:
    """A name as it is where it fits, else broken between its parts.

    Where two lines are too few the middle is left out: names that begin alike differ at their ends.
    """
    if text_width(name) <= width:
        return [name]
    first, *rest = pieces(name)
    while rest and text_width(first + rest[0]) <= width:
        first += rest.pop(0)
    if not rest:
        return [fitted(first, width)]
    second = "".join(rest)
    while text_width(second) > width and len(rest) > 1:
        del rest[0]
        second = "…" + "".join(rest)
    return [fitted(first, width), fitted(second, width)]


def write_name(x: float, y: float, name: str, lines: list[str]) -> Markup:
    """The lines of a name, centred about a point; pointing at them shows all of it."""
    top = y - LINE * (len(lines) - 1) / 2 + 4
    written = [write(x, top + LINE * index, line, anchor="middle") for index, line in enumerate(lines)]
    return element("g", *written, *([] if "".join(lines) == name else [element("title", name)]))
