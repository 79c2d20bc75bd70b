"""Charts as SVG files of their own: grouped bars. The same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbft_edge.pages.charts.bars import grouped_bars
from tbft_edge.pages.charts.svg import WIDTH, Picture, write
from tbft_edge.pages.markup import Markup, element
from tbft_edge.pages.palette import LIGHT
from tbft_edge.pages.style import chart_style, patterns

MARGIN, TITLE = 16, 30


@dataclass(frozen=True)
class Series:
    """A name, and one value for each group; None where there is none."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Panel:
    """One chart of groups of bars; `labels` stand below."""

    title: str
    x: str
    y: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]


def charts(panels: Sequence[Panel]) -> str:
    """The panels side by side; every axis begins at 0."""
    return side_by_side([(panel.title, _bars(panel)) for panel in panels])


def side_by_side(pictures: Sequence[tuple[str, Picture]]) -> str:
    """Pictures with their titles, on white."""
    width = (WIDTH + MARGIN) * len(pictures) + MARGIN
    height = TITLE + max((picture.height for _, picture in pictures), default=0.0) + MARGIN
    parts = [element("style", Markup(chart_style(LIGHT))), patterns()]
    parts.append(element("rect", width=width, height=height, fill=LIGHT["surface"]))
    for index, (title, picture) in enumerate(pictures):
        x = MARGIN + (WIDTH + MARGIN) * index
        parts.append(element("g", _titled(title, picture), transform=f"translate({x} 0)"))
    svg = element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height:.0f}",
        width=width,
        height=height,
        font_family="sans-serif",
        font_size=12,
    )
    return svg + "\n"


def _titled(title: str, picture: Picture) -> Markup:
    above = write(0, 20, title, class_="strong")
    return element("g", above, element("g", picture.svg, transform=f"translate(0 {TITLE})"))


def _bars(panel: Panel) -> Picture:
    groups = [(label, [series.values[index] for series in panel.series]) for index, label in enumerate(panel.labels)]
    return grouped_bars(panel.title, [series.name for series in panel.series], groups, panel.x, panel.y)
