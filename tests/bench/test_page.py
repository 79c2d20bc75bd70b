"""The page and the README say what was measured beside what was promised, and plots are whole."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.arm_results import ArmResults, DriftCounts, arm_rows
from benchmarks.goals import DRIFTS
from benchmarks.page import BEGIN, END, between
from benchmarks.plots import plots
from benchmarks.prepared import ROOT
from benchmarks.ratios import Spread
from benchmarks.report import page, readme_section
from benchmarks.svg import Panel, Series, charts
from benchmarks.tables import Notes, goal_rows, ratio, share
from support.made_up_results import REASON, results

ARM = ArmResults(
    date="2026-01-03",
    cpu="cortex-a72",
    batch_size=4,
    torch="torch==0",
    drifts=[
        DriftCounts(drift="feature", ours=200_000_000, ours_cached=100_000_000, pytorch=250_000_000, reason=None),
        DriftCounts(drift="output", ours=None, ours_cached=None, pytorch=125_000_000, reason="no emulator"),
    ],
)

SVG = "{http://www.w3.org/2000/svg}"


def rows_of(text: str, beginning: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith(f"| {beginning}")
    ]


def test_goals_stand_beside_what_was_measured() -> None:
    notes = Notes()
    rows = {row[0]: row[2:] for row in goal_rows(results(), "frozen", notes)}
    steps = rows["one uncached train step, PyTorch eager ÷ ours"]
    assert steps == [
        "1.50 (1.50–1.50), goal 1.2 ✓",
        "1.50 (1.50–1.50), goal 1.3 ✓",
        "1.50 (1.50–1.50), goal 2 ✗",
        "1.50 (1.50–1.50), goal 1.1 ✓",
    ]
    assert rows["one uncached train step, ORT Training ÷ ours"][2] == "– [1]"
    assert rows["share of the measured SGEMM peak, suffix step"][1:3] == ["80% (80%–80%), goal 65% ✓", "–"]
    assert rows["10 epochs of 1,000 images, PyTorch full fine-tuning ÷ ours"][3] == "–"
    assert notes.lines() == [f"[1] {REASON}"]


def test_counts_on_arm_stand_beside_their_goals() -> None:
    _, rows = arm_rows(ARM)
    assert rows[0] == ["feature", "250.0", "200.0", "100.0", "1.25, goal 1.5 ✗", "2.50, goal 3 ✗"]
    assert rows[1] == ["output", "125.0", "–", "–", "–", "–"]
    assert "output: no emulator" in page(results(), (), ARM)


def test_a_quick_run_is_not_held_against_goals_of_whole_trainings() -> None:
    """Loading weighs more in a short training."""
    rows = {row[0]: row[2:] for row in goal_rows(results(quick=True), "frozen", Notes())}
    assert rows["2 epochs of 64 images, PyTorch same block ÷ ours"][0] == "1.50"
    assert all("goal" not in cell for cell in rows["peak RSS of the process that trains, PyTorch ÷ ours"])


@given(st.floats(0.001, 1e4), st.integers(1, 3))
def test_figures_keep_two_digits_at_least(value: float, rounds: int) -> None:
    text = ratio(Spread(value, value, value, rounds))
    assert ("(" in text) == (rounds > 1)
    shown = float(text.partition(" ")[0])
    assert shown == pytest.approx(value, rel=0.05, abs=0.005)
    assert share(Spread(0.655, 0.6, 0.7, 9)) in ("65% (60%–70%)", "66% (60%–70%)")


def test_tables_have_a_cell_for_every_column() -> None:
    text = page(results(), plots(results()), ARM)
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert len(tables) == 6
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert REASON in text
    assert "agreed within 1e-4" in text


def test_the_page_shows_every_plot_and_no_other() -> None:
    drawn = plots(results())
    assert set(re.findall(r"\]\(benchmarks/(.*?)\)", page(results(), drawn, None))) == set(drawn)
    assert len(drawn) == 4


def test_the_readme_has_room_for_the_table() -> None:
    """Only what stands between the two marks is replaced, however often."""
    readme = (ROOT / "README.md").read_text()
    section = readme_section(results())
    once = between(readme, section)
    assert between(once, section) == once
    assert once.partition(BEGIN)[0] == readme.partition(BEGIN)[0]
    assert once.partition(END)[2] == readme.partition(END)[2]
    assert len(rows_of(once, "one uncached train step")) == 2
    with pytest.raises(ValueError, match="is missing"):
        between(readme.replace(END, ""), section)


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1e6, allow_subnormal=False)), min_size=4, max_size=4),
    st.sampled_from([(), (1.0, 2.0, 3.0, 10.0)]),
)
def test_every_value_is_drawn_inside_the_picture(values: list[float | None], positions: tuple[float, ...]) -> None:
    panel = Panel("a < b", "x", "y", tuple(DRIFTS), (Series("one", tuple(values)),), positions)
    root = ElementTree.fromstring(charts([panel, panel]))
    kind, place = ("g", "transform") if positions else ("rect", "y")
    marks = [mark for mark in root.iter(f"{SVG}{kind}") if mark.get("class") in ("mark m0", "f0")]
    legends = 0 if positions else 2
    assert len(marks) == 2 * sum(value is not None for value in values) + legends
    height = float(root.attrib["height"])
    for mark in marks:
        assert 0 <= float(re.findall(r"[\d.-]+", mark.attrib[place])[-1]) <= height
