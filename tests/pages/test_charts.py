"""Charts put every figure where it belongs, whatever it is, and labels beside each other."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_edge.pages.charts.axis import around, few, from_zero, grouped, magnitudes, nice_step
from tbft_edge.pages.charts.bars import Bar, Stack, histogram, long_bars, stacked_bars
from tbft_edge.pages.charts.dumbbells import Dumbbell, dumbbells
from tbft_edge.pages.charts.lines import Line, LineChart, line_chart, unbroken
from tbft_edge.pages.charts.matrix import Matrix, heat, matrix
from tbft_edge.pages.charts.plot import Mark
from tbft_edge.pages.charts.svg import WIDTH, Label, Picture, evenly, fitted, row_of, text_width

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(0, 1.7e308)
PLACE = re.compile(r"translate\(([\d.-]+) ([\d.-]+)\)")


def parsed(picture: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(picture.svg)


def shapes(picture: Picture, class_: str) -> list[ElementTree.Element]:
    return [shape for shape in parsed(picture).iter() if shape.get("class", "").split(" ")[0] == class_]


@given(st.floats(1e-6, 1e9))
def test_axes_have_few_round_steps(largest: float) -> None:
    step = nice_step(largest)
    assert 2 <= largest / step <= 5.01
    assert f"{step:.0e}"[0] in "125"


@given(st.lists(POSITIVE, max_size=8))
def test_every_value_is_on_its_axis(values: list[float]) -> None:
    for axis in (from_zero(values), magnitudes(values)):
        assert axis.low < axis.high
        assert 2 <= len(axis.ticks) <= 8
        shares = [axis.share(value) for value in sorted([*axis.ticks, *values])]
        assert all(0 <= share <= 1 for share in shares)
        assert shares == sorted(shares)
    assert all(from_zero(values).high >= value * 0.998 for value in values if value < 1e300)


@given(st.lists(st.floats(-100, 5000), min_size=1, max_size=8))
def test_an_axis_around_values_is_not_too_narrow(values: list[float]) -> None:
    axis = around(values, 10)
    assert axis.low <= min(values) <= max(values) <= axis.high
    assert axis.high - axis.low >= 9.999


def test_a_huge_loss_does_not_hide_the_others() -> None:
    axis = magnitudes([0.5, 2.0, 1e12])
    assert axis.logarithmic
    assert axis.share(2.0) - axis.share(0.5) > 0.02
    assert axis.share(1e12) > 0.8
    assert not magnitudes([0.5, 2.0, 40.0]).logarithmic
    assert magnitudes([1e-3, 1.7e308]).share(1.7e308) == 1


@given(st.lists(st.tuples(FINITE, FINITE), max_size=60), st.integers(4, 20))
def test_few_points_keep_the_extremes(points: list[tuple[float, float]], most: int) -> None:
    """A dip of the clock must not disappear."""
    kept = few(points, most)
    assert len(kept) <= most + most % 2
    if points:
        assert min(y for _, y in kept) == min(y for _, y in points)
        assert max(y for _, y in kept) == max(y for _, y in points)
    assert grouped(len(points), most) * most >= len(points)


def test_missing_values_break_a_line() -> None:
    points = [(0.0, 1.0), (1.0, None), (2.0, math.nan), (3.0, 4.0), (4.0, 5.0)]
    assert unbroken(points) == [[(0.0, 1.0)], [(3.0, 4.0), (4.0, 5.0)]]
    chart = LineChart("", from_zero([4]), from_zero([5]), "x", "y", (Line("one", tuple(points)),))
    assert len(shapes(line_chart(chart), "s")) == 2


@given(st.lists(st.one_of(st.none(), POSITIVE), min_size=1, max_size=30))
def test_points_stay_inside_the_picture(values: list[float | None]) -> None:
    line = Line("a < b", tuple((float(index), value) for index, value in enumerate(values)))
    known = [value for value in values if value is not None]
    chart = LineChart("", from_zero([len(values)]), magnitudes(known), "x", "y", (line,), (Mark(0, "first"),))
    picture = line_chart(chart)
    marks = [mark for mark in shapes(picture, "mark") if "transform" in mark.attrib]
    assert len(marks) == len(known)
    for mark in marks:
        x, y = map(float, PLACE.findall(mark.attrib["transform"])[0])
        assert 0 <= x <= WIDTH
        assert 0 <= y <= picture.height


@given(st.lists(st.tuples(st.floats(0, WIDTH), st.text("0123456789%", min_size=1, max_size=12)), max_size=30))
def test_labels_in_a_row_never_touch(places: list[tuple[float, str]]) -> None:
    places.sort()
    drawn = [ElementTree.fromstring(part) for part in row_of([Label(x, text) for x, text in places], 10)]
    ends = [(float(part.attrib["x"]), text_width(part.text or "") / 2) for part in drawn]
    assert bool(drawn) == bool(places)
    for (x, half), (later, other) in pairwise(ends):
        assert later - other >= x + half
    assert all(half - 0.1 <= x <= WIDTH - half + 0.1 for x, half in ends)


@given(st.integers(1, 400))
def test_labels_of_a_regular_row_are_left_out_regularly(count: int) -> None:
    labels = [Label(WIDTH * index / count, str(index + 1)) for index in range(count)]
    kept = [int(label.text) for label in evenly(labels)]
    assert kept[0] == 1
    assert len({later - earlier for earlier, later in pairwise(kept)}) <= 1
    assert len(kept) > 1 or count == 1


@given(st.text(max_size=60), st.floats(20, 200))
def test_names_are_cut_to_fit(name: str, width: float) -> None:
    shown = fitted(name, width)
    assert shown == name or (shown.endswith("…") and name.startswith(shown[:-1]))
    assert text_width(shown) <= max(width, text_width(f"{name[:1]}…"))


def test_stacks_are_as_high_as_their_parts() -> None:
    """Three to one, and a dash where nothing is known."""
    stacks = [Stack("1", (3.0, 1.0), ""), Stack("2", None, "")]
    picture = stacked_bars("", [(0, "train"), (1, "read")], stacks, "epoch", "joules")
    train, read = (
        [float(shape.attrib["height"]) for shape in shapes(picture, name) if shape.attrib["width"] != "12"]
        for name in ("f0", "f1")
    )
    assert train[0] == pytest.approx(3 * read[0], rel=0.01)
    assert len(train) == len(read) == 1
    assert "–" in [text.text for text in parsed(picture).iter() if text.tag.endswith("text")]


def test_percentiles_stand_where_they_are() -> None:
    marks = [Mark(10, "p50"), Mark(19, "p95"), Mark(20, "p99")]
    picture = histogram("", (0.0, 10.0, 20.0), (5, 5), marks, "ms", "steps")
    bars = shapes(picture, "f0")
    lines = [float(line.attrib["d"].split()[0][1:]) for line in shapes(picture, "mark-line")]
    middle = float(bars[0].attrib["x"]) + float(bars[0].attrib["width"])
    assert lines[0] == pytest.approx(middle, abs=1)
    assert lines[2] == pytest.approx(float(bars[1].attrib["x"]) + float(bars[1].attrib["width"]), abs=1)
    assert len({name.attrib["y"] for name in shapes(picture, "mark-name")}) == 3


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3).map(sorted))
def test_no_line_of_a_percentile_crosses_the_name_of_another(values: list[float]) -> None:
    marks = [Mark(value, f"p{index} {value:.1f} ms") for index, value in enumerate(values)]
    picture = histogram("", (0.0, 1e6), (5,), marks, "ms", "steps")
    lines = [tuple(map(float, re.findall(r"[\d.]+", line.attrib["d"])[:2])) for line in shapes(picture, "mark-line")]
    names = [
        (float(name.attrib["x"]), float(name.attrib["y"]), text_width(name.text or ""))
        for name in shapes(picture, "mark-name")
    ]
    left_and_right = lines[0][0] < names[0][2] and lines[2][0] > WIDTH - names[2][2]
    for index, (x, y) in enumerate(lines):
        for other, (start, base, width) in enumerate(names):
            crossed = y < base - 9 and start < x < start + width
            # Where the first is at the left edge and the last at the right one, no order is free of it.
            assert not crossed or index == other or left_and_right


def test_bars_without_a_value_say_so_and_have_no_length() -> None:
    picture = long_bars("", [Bar("a", 2.0, "2 J"), Bar("b", None, "unavailable"), Bar("c", 1.0, "1 J", series=1)])
    a, c = shapes(picture, "f0"), shapes(picture, "f1")
    assert len(a) == 1
    assert float(a[0].attrib["width"]) == pytest.approx(2 * float(c[0].attrib["width"]), rel=0.01)
    assert "unavailable" in picture.svg


def test_worse_is_told_without_colours() -> None:
    picture = dumbbells("", [Dumbbell("cat", 0.5, 0.25), Dumbbell("dog", 0.25, 0.5)])
    texts = ["".join(t for t in text.itertext()) for text in parsed(picture).iter() if text.tag.endswith("text")]
    assert any(text.startswith("▼50% → 25%") for text in texts)
    assert any(text.startswith("25% → 50%") for text in texts)
    ring, dot = shapes(picture, "ring")[1], shapes(picture, "dot")[1]
    assert float(ring.attrib["cx"]) < float(dot.attrib["cx"])


def test_cells_are_shaded_by_their_part_of_the_row() -> None:
    assert [heat(part) for part in (0, 0.001, 0.2, 0.5, 0.8, 1)] == [0, 1, 2, 3, 5, 5]


@pytest.mark.parametrize("count", [1, 2, 12, 24, 25, 100, 101, 1000])
def test_matrices_of_any_size_fit_and_stay_small(count: int) -> None:
    """Every image counts, also where classes are drawn in groups."""
    images = {(true, (true * 7 + shift) % count): 1 + shift for true in range(count) for shift in range(3)}
    picture = matrix("", Matrix([f"class {index}" for index in range(count)], images))
    assert picture.height <= WIDTH + 70
    assert len(picture.svg) < 200_000
    drawn = "".join(shape.attrib["d"] for level in range(1, 6) for shape in shapes(picture, f"h{level}"))
    xs = [float(x) for x in re.findall(r"M([\d.]+) ", drawn)]
    assert max(xs) <= WIDTH
    assert ("groups" in picture.svg) == (count > 100)
