"""Figures have units and as many digits as they deserve."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_edge import figures


@pytest.mark.parametrize(
    ("words", "value", "expected"),
    [
        (figures.seconds, 0.854, "0.85 s"),
        (figures.seconds, 99.96, "1 min 40 s"),
        (figures.seconds, 185.4, "3 min 05 s"),
        (figures.seconds, 7440.0, "2 h 04 min"),
        (figures.milliseconds, 31.04, "31.0 ms"),
        (figures.milliseconds, 1250.0, "1.25 s"),
        (figures.joules, 0.004, "0.00 J"),
        (figures.joules, 12_340.0, "12.3 kJ"),
        (figures.joules, 999.9, "1.00 kJ"),
        (figures.watts, 5.023, "5.02 W"),
        (figures.hertz, 1000.0, "1.00 kHz"),
        (figures.celsius, 48.24, "48.2 °C"),
        (figures.megahertz, 2400.0, "2400 MHz"),
        (figures.points, -12.5, "-12.5 points"),
        (figures.loss, 1.7e308, "1.7e+308"),
        (figures.loss, 0.60123, "0.6012"),
    ],
)
def test_figures_with_units(words: Callable[[float], str], value: float, expected: str) -> None:
    assert words(value) == expected


@pytest.mark.parametrize(
    "words",
    [figures.seconds, figures.milliseconds, figures.joules, figures.watts, figures.hertz, figures.points, figures.loss],
)
def test_what_is_missing_is_a_dash(words: Callable[[float | None], str]) -> None:
    assert words(None) == "–"
    assert words(0.0) != "–"


@given(st.floats(0, 1e15))
def test_axis_figures_are_short_and_right(value: float) -> None:
    text = figures.short(value)
    assert len(text) <= 10
    factor = {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1])
    shown = float(text[:-1]) * factor if factor else float(text)
    assert shown == pytest.approx(value, rel=1e-3)


def test_counts_and_moments() -> None:
    assert [figures.count(1, "image"), figures.count(2000, "image"), figures.count(2, "class")] == [
        "1 image",
        "2,000 images",
        "2 classes",
    ]
    assert figures.moment("2026-11-22T10:00:00+00:00") == "2026-11-22 10:00 UTC"
    assert figures.moment("<when>") == "<when>"
