"""Names stand beside their points and not on each other; the line is along the points that no other one beats."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_edge.pages.charts.axis import Axis, from_zero
from tbft_edge.pages.charts.labels import LINE, Box, around_point, place_labels
from tbft_edge.pages.charts.scatter import Scatter, Spot, scatter
from tbft_edge.pages.charts.svg import WIDTH, Picture

ROOM = Box(30, 20, WIDTH, 230)
POINTS = st.lists(st.tuples(st.floats(30, WIDTH - 12), st.floats(26, 230), st.floats(5, 150)), max_size=15)
FRACTION = st.floats(0, 1)


def spot(name: str, x: float, y: float, *, best: bool = False, spread: float = 0.0) -> Spot:
    return Spot(name, x, y, (x - spread, x + spread), (y - spread, y + spread), best, f"{name}: {x}, {y}")


def drawn(*spots: Spot) -> Picture:
    unit = Axis(0, 1, (0, 0.5, 1))
    return scatter(Scatter("", unit, unit, "cost", "gain", spots))


def elements(picture: Picture, class_: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(picture.svg)
    return [shape for shape in root.iter() if shape.get("class", "").startswith(class_)]


def corners(picture: Picture) -> list[tuple[float, float]]:
    """Where the line along the front bends, ends left out twice."""
    (path,) = elements(picture, "s s0")
    found = re.findall(r"[ML]([\d.]+) ([\d.]+)", path.attrib["d"])
    return [(float(x), float(y)) for x, y in found]


@given(POINTS)
def test_no_name_lies_on_another_one_or_on_a_point(points: list[tuple[float, float, float]]) -> None:
    boxes = place_labels([(x, y) for x, y, _ in points], [width for *_, width in points], ROOM)
    placed = [box for box in boxes if box is not None]
    for box, (_, _, width) in zip(boxes, points, strict=True):
        if box is not None:
            assert box.is_inside(ROOM)
            assert (box.right - box.left, box.bottom - box.top) == pytest.approx((width, LINE))
            assert not any(box.touches(around_point(x, y)) for x, y, _ in points)
    assert not any(one.touches(other) for one, other in combinations(placed, 2))


@given(st.floats(60, 300), st.floats(40, 220), st.floats(5, 150))
def test_a_name_alone_has_always_room(x: float, y: float, width: float) -> None:
    (box,) = place_labels([(x, y)], [width], ROOM)
    assert box is not None


def test_a_name_goes_where_no_line_crosses_it() -> None:
    """Right of the point is nearest, but there is the line."""
    line = Box(100, 100, 300, 100)
    (plain,) = place_labels([(100, 100)], [50], ROOM)
    (clear,) = place_labels([(100, 100)], [50], ROOM, [line])
    assert plain is not None
    assert clear is not None
    assert plain.left > 100
    assert plain.touches(line)
    assert not clear.touches(line)


def test_there_is_no_place_outside_the_room() -> None:
    assert place_labels([(10, 10)], [80], Box(0, 0, 60, 60)) == [None]


def test_the_line_steps_up_at_the_points_of_the_front() -> None:
    """Flat to the next point's cost, then up to its gain, and flat to the end."""
    picture = drawn(spot("b", 0.5, 0.8, best=True), spot("a", 0.2, 0.4, best=True), spot("c", 0.6, 0.3))
    (a, b) = (
        tuple(map(float, re.findall(r"[\d.]+", mark.attrib["transform"]))) for mark in elements(picture, "mark m0")
    )
    bends = corners(picture)
    assert bends[0] == pytest.approx(a, abs=0.1)
    assert (b[0], a[1]) in [pytest.approx(bend, abs=0.1) for bend in bends]
    assert bends[-2:][0][1] == pytest.approx(b[1], abs=0.1)
    assert max(x for x, _ in bends) == pytest.approx(WIDTH - 12, abs=0.1)
    assert min(y for _, y in bends) == pytest.approx(b[1], abs=0.1)


def test_beaten_points_are_told_without_colours() -> None:
    picture = drawn(spot("good", 0.2, 0.9, best=True), spot("poor", 0.8, 0.1))
    (good,), (poor,) = elements(picture, "mark m0"), elements(picture, "mark m7")
    assert "hollow" in poor.attrib["class"]
    assert "hollow" not in good.attrib["class"]
    tips = [tip.text for tip in ElementTree.fromstring(picture.svg).iter() if tip.tag.endswith("title")]
    assert tips == ["good: 0.2, 0.9", "poor: 0.8, 0.1"]


@given(st.lists(st.tuples(FRACTION, FRACTION, st.booleans()), max_size=12))
def test_every_point_is_drawn_inside(points: list[tuple[float, float, bool]]) -> None:
    spots = [spot(f"entry {n}", x, y, best=best, spread=0.1) for n, (x, y, best) in enumerate(points)]
    picture = drawn(*spots)
    marks = [
        tuple(map(float, re.findall(r"-?[\d.]+", mark.attrib["transform"]))) for mark in elements(picture, "mark ")
    ]
    assert len(marks) == len(points)
    assert all(0 <= x <= WIDTH and 0 <= y <= picture.height for x, y in marks)
    assert len(elements(picture, "s s0")) == any(best for *_, best in points)


def test_one_run_has_no_ranges() -> None:
    with_range, without = drawn(spot("a", 0.5, 0.5, spread=0.2)), drawn(spot("a", 0.5, 0.5))
    assert len(elements(with_range, "edge spread")) == 1
    assert len(elements(without, "edge spread")) == 0


def test_an_axis_of_costs_may_be_any() -> None:
    chart = Scatter("", from_zero([5.0]), Axis(0, 1, (0, 1)), "s", "gain", (spot("a", 5.0, 1.0, best=True),))
    assert "gain" in scatter(chart).svg
