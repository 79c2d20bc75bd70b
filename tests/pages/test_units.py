"""Figures have units and as many digits as they deserve."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_edge.pages import units


@pytest.mark.parametrize(
    ("words", "value", "expected"),
    [
        (units.seconds, 0.854, "0.85 s"),
        (units.seconds, 99.96, "1 min 40 s"),
        (units.seconds, 185.4, "3 min 05 s"),
        (units.seconds, 7440.0, "2 h 04 min"),
        (units.milliseconds, 31.04, "31.0 ms"),
        (units.milliseconds, 1250.0, "1.25 s"),
        (units.joules, 0.004, "0.00 J"),
        (units.joules, 12_340.0, "12.3 kJ"),
        (units.joules, 999.9, "1.00 kJ"),
        (units.watts, 5.023, "5.02 W"),
        (units.hertz, 1000.0, "1.00 kHz"),
        (units.celsius, 48.24, "48.2 °C"),
        (units.megahertz, 2400.0, "2400 MHz"),
        (units.points, -12.5, "-12.5 points"),
        (units.loss, 1.7e308, "1.7e+308"),
        (units.loss, 0.60123, "0.6012"),
    ],
)
def test_figures_with_units(words: Callable[[float], str], value: float, expected: str) -> None:
    assert words(value).replace("\u00a0", " ") == expected


@pytest.mark.parametrize(
    "words", [units.seconds, units.milliseconds, units.joules, units.watts, units.hertz, units.points, units.loss]
)
def test_what_is_missing_is_a_dash(words: Callable[[float | None], str]) -> None:
    assert words(None) == "–"
    assert words(0.0) != "–"


@given(st.floats(0, 1e15))
def test_axis_figures_are_short_and_right(value: float) -> None:
    text = units.short(value)
    assert len(text) <= 10
    factor = {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1])
    shown = float(text[:-1]) * factor if factor else float(text)
    assert shown == pytest.approx(value, rel=1e-3)


def test_counts_and_moments() -> None:
    assert [units.count(1, "image"), units.count(2000, "image"), units.count(2, "class")] == [
        "1 image",
        "2,000 images",
        "2 classes",
    ]
    assert units.moment("2026-11-22T10:00:00+00:00") == "2026-11-22 10:00 UTC"
    assert units.moment("<when>") == "<when>"
