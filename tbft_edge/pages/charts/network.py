"""The blocks of a network from the image down to the classes."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_edge.pages.charts.axis import from_zero
from tbft_edge.pages.charts.svg import WIDTH, Picture, picture, rectangle, write, write_fitted
from tbft_edge.pages.markup import Markup, element
from tbft_runtime.reporting.report import BlockRecord

ROW, BOX, HEAD = 34, 24, 26
NAME, COUNTS, BARS = 132.0, 226.0, 236.0


def network(description: str, blocks: Sequence[BlockRecord], before: str, behind: str) -> Picture:
    """One row per block: trained ones stand in a heavy box and say so; then parameters, and bars of them."""
    axis = from_zero([block.parameters for block in blocks])
    middle = 2 + NAME / 2
    parts = [
        write(middle, 13, before, anchor="middle", class_="tick"),
        write(COUNTS, 13, "parameters", anchor="end", class_="tick"),
    ]
    for index, block in enumerate(blocks):
        y = HEAD + ROW * index
        parts.append(_arrow(middle, y - (8 if index == 0 else ROW - BOX), y))
        parts.append(rectangle(2, y, NAME, BOX, "box trained" if block.trained else "box"))
        parts.append(write_fitted(middle, y + 16, block.name, NAME - 12, anchor="middle"))
        parts.append(write(COUNTS, y + 16, f"{block.parameters:,}", anchor="end"))
        bar = max((WIDTH - BARS - 54) * axis.share(block.parameters), 1.0)
        parts.append(rectangle(BARS, y + 6, bar, 12, "f0" if block.trained else "rest"))
        word, class_ = ("trained", "strong") if block.trained else ("frozen", "tick")
        parts.append(write(WIDTH, y + 16, word, anchor="end", class_=class_))
    end = HEAD + ROW * len(blocks)
    parts.append(_arrow(middle, end - (ROW - BOX), end))
    parts.append(write(middle, end + 14, behind, anchor="middle", class_="tick"))
    return picture(description, end + 20, parts)


def _arrow(x: float, start: float, end: float) -> Markup:
    return element("path", d=f"M{x:.0f} {start:.0f}V{end - 1:.0f}m-3-4l3 4l3-4", class_="arrow")
