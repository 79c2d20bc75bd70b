"""What every chart is made of: the picture, its text, a legend. Lengths are in pixels of the picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tbft_artifacts.words import NAME, shortened
from tbft_edge.pages.markup import Markup, element, number, text

# On a phone of 320 pixels text shrinks to four fifths and can still be read.
WIDTH = 360
FONT = 12
SMALL = 10.5
# Longer words for a picture nobody listens to.
DESCRIPTION = 4000
Anchor = Literal["start", "middle", "end"]

# Differ without colours, too: `_DASHES` for lines, `marker` for points.
_DASHES = (None, "6 4", "2 3", "9 3 2 3", "12 4")
_MARKERS = ("M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z", "M-3-3h6v6h-6z", "M0-4.2l4.2 4.2l-4.2 4.2l-4.2-4.2z")


@dataclass(frozen=True)
class Label:
    """Text at a place, if there is room."""

    x: float
    text: str


@dataclass(frozen=True)
class Picture:
    """A chart, `WIDTH` pixels wide where nothing scales it."""

    svg: Markup
    height: float


def text_width(words: str, size: float = FONT) -> float:
    """About how wide text is, rather too much: fonts differ."""
    return sum(_em(letter) for letter in words) * size


def _em(letter: str) -> float:
    if letter in "%@mMW…→":
        return 1.0
    return 1.05 if unicodedata.east_asian_width(letter) in "WF" else 0.64


def fitted(words: str, width: float, size: float = FONT) -> str:
    """The text, cut off with an ellipsis where it is wider."""
    if text_width(words, size) <= width:
        return words
    cut = words[: max(1, int(width / (0.5 * size)))]
    while len(cut) > 1 and text_width(cut + "…", size) > width:
        cut = cut[:-1]
    return cut + "…"


def write(
    x: float, y: float, words: str, *, anchor: Anchor = "start", class_: str | None = None, size: float | None = None
) -> Markup:
    """Text whose base line begins, ends or is centred at a place."""
    where = None if anchor == "start" else anchor
    return element("text", words, x=x, y=y, text_anchor=where, class_=class_, font_size=size)


def write_fitted(
    x: float, y: float, words: str, width: float, *, anchor: Anchor = "start", size: float = FONT
) -> Markup:
    """Text cut off at a width; pointing at it shows all of it."""
    shown = fitted(words, width, size)
    children: tuple[str, ...] = (shown,) if shown == words else (shown, element("title", words))
    where = None if anchor == "start" else anchor
    return element("text", *children, x=x, y=y, text_anchor=where, font_size=None if size == FONT else size)


def evenly(labels: Sequence[Label]) -> Sequence[Label]:
    """Every label of a regular row, every second, third and so on, as few left out as it takes to part them."""
    for every in range(1, len(labels)):
        kept = labels[::every]
        gaps = pairwise(kept)
        if all(b.x - a.x >= (text_width(a.text) + text_width(b.text)) / 2 + 6 for a, b in gaps):
            return kept
    return labels[:1]


def row_of(labels: Sequence[Label], y: float, right: float = WIDTH) -> list[Markup]:
    """Centred labels in a row, inside the picture; one that would touch the one before is left out."""
    parts = []
    free = 0.0
    for label in labels:
        half = text_width(label.text) / 2
        x = min(max(label.x, half), right - half)
        if x - half >= free:
            parts.append(write(x, y, label.text, anchor="middle", class_="tick"))
            free = x + half + 5
    return parts


def rectangle(x: float, y: float, width: float, height: float, class_: str, *children: str) -> Markup:
    """A rectangle."""
    # Written by hand: pages with large matrices have many.
    where = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    return Markup(f'<rect {where} class="{text(class_)}">{"".join(children)}</rect>')


def filled(series: int, x: float, y: float, width: float, height: float, *children: str) -> list[Markup]:
    """An area of a series: its colour below its pattern, so that it can be told without colours."""
    parts = [rectangle(x, y, width, height, f"f{series}", *children)]
    if series:
        parts.append(rectangle(x, y, width, height, f"p{series}", *children))
    return parts


def dash(series: int) -> str | None:
    """How the line of a series is dashed."""
    return _DASHES[series % len(_DASHES)]


def marker(series: int, x: float, y: float, *children: str) -> Markup:
    """The point of a series: filled or hollow, round or with corners."""
    hollow = " hollow" if series % 2 else ""
    place = f"translate({number(x)} {number(y)})"
    shape = _MARKERS[series % len(_MARKERS)]
    if children:
        return element("g", element("path", d=shape), *children, transform=place, class_=f"mark m{series}{hollow}")
    return element("path", d=shape, transform=place, class_=f"mark m{series}{hollow}")


def legend(
    names: Sequence[tuple[int, str]], kind: Literal["line", "area"], right: float = WIDTH
) -> tuple[list[Markup], float]:
    """Names of series (number, name), in as many rows as they need, and the height of all rows."""
    parts: list[Markup] = []
    x, y = 2.0, 0.0
    for series, name in names:
        shown = fitted(name, right - 40)
        width = 28 + text_width(shown) + 14
        if x > 2 and x + width - 14 > right:
            x, y = 2.0, y + 18
        if kind == "line":
            parts.append(
                element(
                    "path", d=f"M{number(x)} {number(y + 9)}h22", class_=f"s s{series}", stroke_dasharray=dash(series)
                )
            )
            parts.append(marker(series, x + 11, y + 9))
        else:
            parts += filled(series, x + 6, y + 3, 12, 12)
        parts.append(write(x + 28, y + 13, shown, class_="tick"))
        x += width
    return parts, y + 22


def picture(description: str, height: float, parts: Sequence[Markup]) -> Picture:
    """The picture of a chart; `description` says in words what can be seen, for those who cannot see it."""
    svg = element(
        "svg",
        *parts,
        viewBox=f"0 0 {WIDTH} {number(height)}",
        width=WIDTH,
        height=height,
        role="img",
        aria_label=shortened(description, DESCRIPTION, NAME),
        font_size=FONT,
    )
    return Picture(svg, height)
