"""Joules on the page of a run: what was measured, covered in part, estimated or unavailable says which it is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from support.html_text import Page, read_page
from support.made_up_reports import PMIC, made_up_energy, made_up_report
from support.odd_reports import odd_reports
from tbft_edge.pages.run_page import run_page


def test_an_estimate_is_marked_wherever_joules_are(read: Mapping[str, Page]) -> None:
    """In the headline, at the bars, over time and in the details."""
    assert read["troubled"].all("span").count("estimate") == 6
    assert read["troubled"].all("th").count("energy (estimate)") == 2


def test_every_figure_of_an_estimate_is_marked() -> None:
    """Also idle and mean power, what sampling changes, and the note below the headline."""
    source = replace(PMIC, meter="estimate", type="estimate", basis=())
    page = read_page(run_page(made_up_report(energy=made_up_energy(20.0, source=source))))
    figures = [text for name in ("dd", "p", "div") for text in page.all(name) if re.search(r"\d (J|W|kJ)\b", text)]
    assert len(figures) > 8
    assert [text for text in figures if "estimate" not in text] == []


def test_an_epoch_that_was_covered_in_part_is_no_short_bar() -> None:
    """The meter stopped in the middle of the last epoch: its joules stand in the table with that, not as a bar."""
    report = made_up_report(energy=made_up_energy(20.0, covered=0.86))
    last = replace(report.epochs[-1], covered=0.3, joules=6.0)
    page = read_page(run_page(replace(report, epochs=(*report.epochs[:-1], last))))
    assert "A dash: not covered by the meter, or only a part of it." in page.body
    assert "6.00 J in 30% of it" in page.all("td")


def test_joules_before_the_first_epoch_have_their_own_source() -> None:
    """Statistics alone: no epoch has joules, and those of the preparation are an estimate all the same."""
    report = replace(
        odd_reports()["statistics-only"],
        preparation=made_up_report().preparation,
        preparation_source=replace(PMIC, type="estimate"),
    )
    assert "energy (estimate)" in read_page(run_page(report)).all("th")


def test_a_missing_meter_is_never_zero_joules(read: Mapping[str, Page]) -> None:
    for name in ("no-meter", "statistics-only", "nothing-known"):
        body = read[name].body
        assert "energy in epochsunavailableno meter was found" in body
        assert " 0.00 J" not in body
        assert "0.00 W" not in body
    assert "Time per epoch by phase" in read["no-meter"].all("h3")
    assert "Joules by phase are unavailable; this is time instead." in read["no-meter"].body


def test_a_part_that_was_covered_never_reads_as_all() -> None:
    page = read_page(run_page(made_up_report(energy=made_up_energy(20.0, covered=0.9999))))
    assert "almost all of 20.0 s" in page.all("dd")
