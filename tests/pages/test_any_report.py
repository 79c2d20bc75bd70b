"""A page is made of any report that its schema allows: a file may come from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from support.html_text import read_page
from support.made_up_reports import made_up_calibration
from support.odd_reports import odd_reports
from tbft_edge.pages.run_page import run_page
from tbft_runtime.reporting.report import Report

EXTREMES = (0, 1e-310, 1.7e308, -1.7e308, 2**62, None, [])


def kinds(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths to everything in a report; of lists the last element stands for all."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from kinds(inner, (*path, key))
    elif isinstance(value, list):
        for index in range(len(value))[-1:]:
            yield from kinds(value[index], (*path, index))


def changed(data: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy with another value at a path."""
    first, *rest = path
    copy = data.copy()
    copy[first] = changed(data[first], tuple(rest), value) if rest else value
    return copy


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """As plain data, short enough to be drawn a thousand times, with what only some runs have."""
    plain = odd_reports()["plain"]
    result = replace(plain.result, exits=made_up_calibration())
    short = replace(plain, telemetry=plain.telemetry[:3], epochs=plain.epochs[:2], result=result)
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(short))
    return data


@pytest.mark.parametrize("extreme", EXTREMES, ids=str)
def test_no_figure_is_too_odd_to_be_drawn(report: dict[str, Any], extreme: Any) -> None:
    drawn = 0
    for path in kinds(report):
        try:
            odd = msgspec.convert(changed(report, path, extreme), Report)
        except msgspec.ValidationError:
            continue
        assert read_page(run_page(odd)).all("h1"), path
        drawn += 1
    assert drawn >= 10
