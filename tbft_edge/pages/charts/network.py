"""The blocks of a network from the image down to the classes."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_edge.pages.charts.axis import from_zero
from tbft_edge.pages.charts.names import LINE, in_two_lines, write_name
from tbft_edge.pages.charts.svg import WIDTH, Picture, picture, rectangle, write
from tbft_edge.pages.markup import Markup, element
from tbft_runtime.reporting.report import BlockRecord

GAP, BOX, HEAD = 10, 24, 26
NAME, COUNTS, BARS = 132.0, 226.0, 236.0


def network(description: str, blocks: Sequence[BlockRecord], before: str, behind: str) -> Picture:
    """One row per block: trained ones stand in a heavy box and say so; then parameters, and bars of them."""
    axis = from_zero([block.parameters for block in blocks])
    middle = 2 + NAME / 2
    names = [in_two_lines(block.name, NAME - 12) for block in blocks]
    # All rows alike, also where only some names take two lines.
    box = BOX + LINE * (max(map(len, names), default=1) - 1)
    parts = [
        write(middle, 13, before, anchor="middle", class_="tick"),
        write(COUNTS, 13, "parameters", anchor="end", class_="tick"),
    ]
    for index, (block, lines) in enumerate(zip(blocks, names, strict=True)):
        y = HEAD + (box + GAP) * index
        centre = y + box / 2
        parts.append(_arrow(middle, y - (8 if index == 0 else GAP), y))
        parts.append(rectangle(2, y, NAME, box, "box trained" if block.trained else "box"))
        parts.append(write_name(middle, centre, block.name, lines))
        parts.append(write(COUNTS, centre + 4, f"{block.parameters:,}", anchor="end"))
        bar = max((WIDTH - BARS - 54) * axis.share(block.parameters), 1.0)
        parts.append(rectangle(BARS, centre - 6, bar, 12, "f0" if block.trained else "rest"))
        word, class_ = ("trained", "strong") if block.trained else ("frozen", "tick")
        parts.append(write(WIDTH, centre + 4, word, anchor="end", class_=class_))
    end = HEAD + (box + GAP) * len(blocks)
    parts.append(_arrow(middle, end - GAP, end))
    parts.append(write(middle, end + 14, behind, anchor="middle", class_="tick"))
    return picture(description, end + 20, parts)


def _arrow(x: float, start: float, end: float) -> Markup:
    return element("path", d=f"M{x:.0f} {start:.0f}V{end - 1:.0f}m-3-4l3 4l3-4", class_="arrow")
