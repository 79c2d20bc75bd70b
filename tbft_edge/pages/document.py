"""The parts of a page that are no charts, and the page itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from tbft_edge.pages.breaks import breakable
from tbft_edge.pages.charts.svg import Picture
from tbft_edge.pages.markup import Markup, element, join
from tbft_edge.pages.style import patterns, style_sheet

# `25.0% → 75.0%` is one.
LONGEST_FIGURE = 14


@dataclass(frozen=True)
class Tile:
    """A headline figure: its name, the figure itself, and notes below."""

    name: str
    figure: str
    notes: tuple[str, ...] = ()


def page(title: str, body: Iterable[str]) -> str:
    """The whole file. A policy in it lets browsers load and run nothing, whatever names of strangers contain."""
    style = style_sheet()
    allowed = f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=f"default-src 'none'; style-src {allowed}"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(style)),
    )
    content = element("body", patterns(), element("main", *body))
    return "<!DOCTYPE html>\n" + element("html", head, content, lang="en") + "\n"


def section(title: str, *parts: str) -> Markup:
    """A part of the page under a heading."""
    return element("section", element("h2", title), *parts)


def figure(title: str, note: str, *pictures: Picture) -> Markup:
    """A chart with its title, and a sentence that says what it shows."""
    caption = element("figcaption", element("h3", title), element("p", breakable(note), class_="note"))
    return element("figure", caption, *(picture.svg for picture in pictures), class_="card")


def missing(title: str, reason: str) -> Markup:
    """What stands where a chart cannot be drawn."""
    return element(
        "div", element("h3", title), element("p", breakable(f"unavailable: {reason}"), class_="note"), class_="card"
    )


def plots(*figures: str) -> Markup:
    """Charts beside each other, as many as there is room for."""
    return element("div", *figures, class_="plots")


def pair(*figures: str) -> Markup:
    """Two large charts beside each other."""
    return element("div", *figures, class_="pair")


def tables(*cards: str) -> Markup:
    """Tables beside each other, as many as there is room for."""
    return element("div", *cards, class_="tables")


def card(title: str, *parts: str) -> Markup:
    """A box with a title."""
    return element("div", element("h3", breakable(title)), *parts, class_="card")


def tiles(items: Sequence[Tile]) -> Markup:
    """The headline."""
    return element(
        "div",
        *(
            element(
                "div",
                element("div", item.name, class_="name"),
                element("div", breakable(item.figure), class_="figure"),
                *(element("p", breakable(note), class_="note") for note in item.notes),
                class_="card tile",
            )
            for item in items
        ),
        class_="tiles",
    )


def badge(words: str) -> Markup:
    """A word that must not be overlooked."""
    return element("span", words, class_="badge")


def facts(items: Sequence[tuple[str, str]]) -> Markup:
    """Names and what they are."""
    return element("dl", *(join([element("dt", name), element("dd", breakable(value))]) for name, value in items))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, stacking: bool = False) -> Markup:
    """A table whose first column names its rows; with `stacking` each row is a list on narrow screens."""
    head = element("thead", element("tr", *(element("th", column, scope="col") for column in columns)))
    body = [
        element(
            "tr",
            element("th", breakable(row[0]), scope="row", class_=_kind(row[0])),
            *(
                element("td", breakable(cell), data_name=name, class_=_kind(cell))
                for name, cell in zip(columns[1:], row[1:], strict=True)
            ),
        )
        for row in rows
    ]
    return element("table", head, element("tbody", *body), class_="stacking" if stacking else None)


def _kind(cell: str) -> str | None:
    """What is longer than any figure may take several lines, as wide ones as there is room for."""
    return "wrapped" if len(cell) > LONGEST_FIGURE and not isinstance(cell, Markup) else None


def details(summary: str, *parts: str) -> Markup:
    """Parts that are shown when asked for; not on paper."""
    return element("details", element("summary", summary), *parts)


def warnings(texts: Sequence[str]) -> Markup:
    """What to know before believing the figures; nothing if there is nothing."""
    if not texts:
        return Markup("")
    items = (element("li", element("b", "▲ "), breakable(words)) for words in texts)
    return element("ul", *items, class_="warnings", aria_label="warnings")
