"""A page is made of any report that its schema allows: a file may come from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from support.chromium import Chromium
from support.hostile import EVIL, unseen
from support.hostile import LONG as ENDLESS
from support.html_text import read_page
from support.made_up_reports import made_up_calibration, made_up_old_data
from support.odd_reports import made_up_comparison, odd_reports
from tbft_edge.pages.comparison_page import comparison_page
from tbft_edge.pages.run_page import run_page
from tbft_edge.tables.costs import cost_table
from tbft_edge.tables.run import choices, in_brief, in_full, outcome
from tbft_edge.tables.table import show
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
    result = replace(plain.result, exits=made_up_calibration(), old=made_up_old_data())
    short = replace(plain, telemetry=plain.telemetry[:3], epochs=plain.epochs[:2], result=result)
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(short))
    return data


@pytest.mark.long
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


@pytest.mark.long
def test_every_word_may_be_a_strangers(
    report: dict[str, Any], browser: Chromium, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that are no choice of ours at once: pages and tables show them, keep their shape, and do nothing else."""
    theirs, renamed = report, 0
    for path in kinds(report):
        try:
            changed_one = changed(theirs, path, EVIL + ENDLESS)
            msgspec.convert(changed_one, Report)
        except msgspec.ValidationError:
            continue
        theirs, renamed = changed_one, renamed + 1
    assert renamed > 30
    odd = msgspec.convert(theirs, Report)
    comparison = made_up_comparison([odd, odd])
    for page in (run_page(odd), comparison_page(comparison, [odd, odd])):
        assert unseen(page) == []
        assert ENDLESS not in "".join(read_page(page).texts["body"])
        (tmp_path / "page.html").write_text(page)
        for width in (360, 1200):
            browser.open(tmp_path / "page.html", width=width)
            assert browser.complaints() == []
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
    said = [*choices(odd), in_brief(odd, EVIL + ENDLESS), *in_full(odd), outcome(odd)]
    for table in (*said, cost_table(comparison)):
        show(table)
        shown = capsys.readouterr().out
        assert unseen(shown) == []
        assert shown.count("\n") < 400
