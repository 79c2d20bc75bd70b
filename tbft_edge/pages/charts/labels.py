"""Places for the names of points, beside them and not on each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LINE = 14.0
_GAP = 7.0
# Further away a name is hardly found from its point.
_ROWS = 4
# How many free places are looked at for one that no line crosses.
_NEAR = 8


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downwards; one without width or height is a line."""

    left: float
    top: float
    right: float
    bottom: float

    def touches(self, other: Box) -> bool:
        """Whether they share more than an edge."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def is_inside(self, other: Box) -> bool:
        """Whether it reaches nowhere beyond `other`."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


def around_point(x: float, y: float, reach: float = 5.0) -> Box:
    """What the mark of a point covers."""
    return Box(x - reach, y - reach, x + reach, y + reach)


def place_labels(
    points: Sequence[tuple[float, float]], widths: Sequence[float], room: Box, lines: Sequence[Box] = ()
) -> list[Box | None]:
    """A box `LINE` high for the name of each point, as near as there is room; None where there is none near by.

    No box touches another one or a point, and all are inside `room`. Earlier points choose first. A place near by
    that touches none of the `lines` is taken before one that does.
    """
    taken = [around_point(x, y) for x, y in points]
    placed: list[Box | None] = []
    for (x, y), width in zip(points, widths, strict=True):
        free = [
            box
            for box in _candidates(x, y, width)
            if box.is_inside(room) and not any(box.touches(other) for other in taken)
        ]
        clear = (box for box in free[:_NEAR] if not any(box.touches(line) for line in lines))
        box = next(clear, free[0] if free else None)
        placed.append(box)
        if box is not None:
            taken.append(box)
    return placed


def _candidates(x: float, y: float, width: float) -> Iterator[Box]:
    """Right, left, above and below; then in rows further and further away."""
    for row in range(_ROWS + 1):
        for down in (y + row * LINE, y - row * LINE)[: 2 if row else 1]:
            for left in (x + _GAP, x - _GAP - width, x - width / 2):
                yield Box(left, down - LINE / 2, left + width, down + LINE / 2)
