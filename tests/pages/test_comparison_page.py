"""The page of several runs is the paper's cost table, with its doubts."""

from __future__ import annotations

import pytest

from support.html_text import Page, read_page
from support.made_up_reports import made_up_report
from support.odd_reports import HOSTILE, made_up_comparison, odd_reports
from tbft_edge.pages.comparison_page import comparison_page
from tbft_runtime.reporting.report import Report


def shown(reports: list[Report]) -> Page:
    return read_page(comparison_page(made_up_comparison(reports), reports))


@pytest.fixture
def page() -> Page:
    odd = odd_reports()
    return shown([made_up_report("output", 9.0), made_up_report("full", 41.0), odd["troubled"], odd["no-meter"]])


def test_rows_are_the_cost_table(page: Page) -> None:
    rows = page.all("tr")
    assert rows[0] == "runepochstimesaved timeenergysaved energyaccuracypoints gainedJ/point"
    assert rows[1] == "runs/outputoutput: fc59.00 s50.0%45.0 J42.0%25.0% → 75.0%+50.00.900"
    assert "runs/full ◆" in rows[2]
    assert rows[2].endswith("41.0 sbaseline205 Jbaseline25.0% → 75.0%+50.04.10")


def test_estimates_and_missing_joules_are_said(page: Page) -> None:
    rows, labels = page.all("tr"), [a.get("aria-label") or "" for _, a in page.attributes]
    assert "100 J estimate60% covered" in rows[3]
    assert rows[4].endswith("20.0 s50.0%––25.0% → 75.0%+50.0–")
    energy = next(label for label in labels if label.startswith("Energy in epochs"))
    assert "100 J est. (60% covered)" in energy
    assert "runs/feature (feature): unavailable" in energy


def test_notes_and_warnings_stand_beside_the_table(page: Page) -> None:
    for words in ("boards differ", "runs/feature: was throttled", "worse than the base model"):
        assert words in page.body
    assert "that trained everything (◆)" in page.body


def test_without_full_fine_tuning_nothing_is_saved() -> None:
    page = shown([made_up_report("output", 9.0), made_up_report("input", 20.0)])
    assert "nothing can be said to be saved" in page.body
    assert "–" in page.all("tr")[1]
    assert "◆" not in page.body


def test_hostile_names_are_text() -> None:
    report = odd_reports()["hostile-names"]
    assert "<script" not in comparison_page(made_up_comparison([report]), [report])
    assert HOSTILE in shown([report]).body
