"""The page and the README say what was measured beside what was promised, and plots are whole."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.goals import DRIFTS
from benchmarks.page import BEGIN, END, between
from benchmarks.plots import plots
from benchmarks.prepared import ROOT
from benchmarks.ratios import Spread
from benchmarks.report import page, readme_section
from benchmarks.results import Absence
from benchmarks.svg import Panel, Series, charts
from benchmarks.tables import Notes, frozen_rows, goal_rows, ratio
from support.made_up_results import REASON, results

NETWORK_NAMES = ("ResNet-18", "ResNet-50", "MobileNetV2", "EfficientNet-Lite0")
SVG = "{http://www.w3.org/2000/svg}"


def rows_of(text: str, beginning: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith(f"| {beginning}")
    ]


def test_goals_stand_beside_what_was_measured() -> None:
    """The best peer is named where there is a choice."""
    notes = Notes()
    rows = {(row[0], row[1]): row[3:] for row in goal_rows(results(), notes)}
    assert rows["train step, PyTorch's better memory format", "ResNet-26"] == [
        "1.50 (1.50–1.50) channels_last, goal 1 ✓",
        "1.50 (1.50–1.50) channels_last, goal 1.4 ✓",
        "1.50 (1.50–1.50) channels_last, goal 1.8 ✗",
        "1.50 (1.50–1.50) channels_last, goal 1 ✓",
    ]
    assert rows["train step, PyTorch as it comes", "ResNet-26"][0] == "2.00 (2.00–2.00), goal 1.25 ✓"
    assert rows["10 epochs of 1,000 images, PyTorch's better memory format", "ResNet-26"][2:] == [
        "1.50 channels_last, goal 12 ✗",
        "1.50 channels_last, goal 1 ✓",
    ]
    assert rows["peak memory of a whole training, PyTorch", "ResNet-26"][0] == "3.50 plain, goal 3 ✓"
    assert rows["train step, best peer", "ResNet-50"][2] == "1.25 (1.25–1.25) MNN, goal 1.5 ✗"
    assert rows["peak memory, best peer", "MobileNetV2"][2] == "2.50 MNN, goal 2 ✓"
    assert notes.lines() == []


def test_frozen_for_everyone_has_no_goals() -> None:
    rows = frozen_rows(results(), Notes())
    assert rows[0][3:] == ["1.50 (1.50–1.50) channels_last"] * 4


def test_reasons_are_numbered() -> None:
    """Of what nobody could do the first one's reason."""
    made = results()
    contest = next(each for each in made.steps if each.lanes[0].contestant.drift == "input")
    contest.absent.extend(Absence(lane.contestant, "out of breath") for lane in contest.lanes[1:])
    del contest.lanes[1:]
    notes = Notes()
    assert goal_rows(made, notes)[0][3] == "– [1]"
    assert notes.lines() == ["[1] out of breath"]


def test_a_quick_run_is_not_held_against_goals_of_whole_trainings() -> None:
    """Loading weighs more in a short training."""
    rows = {row[0]: row[3:] for row in goal_rows(results(quick=True), Notes())}
    assert rows["2 epochs of 64 images, PyTorch's better memory format"][0] == "1.50 channels_last"
    assert all("goal" not in cell for cell in rows["peak memory of a whole training, PyTorch"])


@given(st.floats(0.001, 1e4), st.integers(1, 3))
def test_figures_keep_two_digits_at_least(value: float, rounds: int) -> None:
    text = ratio(Spread(value, value, value, rounds))
    assert ("(" in text) == (rounds > 1)
    shown = float(text.partition(" ")[0])
    assert shown == pytest.approx(value, rel=0.05, abs=0.005)


def test_tables_have_a_cell_for_every_column() -> None:
    text = page(results(), plots(results()))
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert len(tables) == 6
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    everything_but_output = ", ".join(
        f"{network} {drift}" for network in NETWORK_NAMES for drift in DRIFTS if drift != "output"
    )
    assert f"- MNN ({everything_but_output}): {REASON}" in text
    assert "All agreed." in text


def test_the_page_shows_every_plot_and_no_other() -> None:
    drawn = plots(results())
    assert set(re.findall(r"\]\(benchmarks/(.*?)\)", page(results(), drawn))) == set(drawn)
    assert len(drawn) == 5


def test_the_readme_has_room_for_the_table() -> None:
    """Only what stands between the two marks is replaced, however often."""
    readme = (ROOT / "README.md").read_text()
    section = readme_section(results())
    once = between(readme, section)
    assert between(once, section) == once
    assert once.partition(BEGIN)[0] == readme.partition(BEGIN)[0]
    assert once.partition(END)[2] == readme.partition(END)[2]
    assert len(rows_of(once, "train step")) == 6
    with pytest.raises(ValueError, match="is missing"):
        between(readme.replace(END, ""), section)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6, allow_subnormal=False)), min_size=4, max_size=4))
def test_every_value_is_drawn_inside_the_picture(values: list[float | None]) -> None:
    panel = Panel("a < b", "x", "y", tuple(DRIFTS), (Series("one", tuple(values)),))
    root = ElementTree.fromstring(charts([panel, panel]))
    marks = [mark for mark in root.iter(f"{SVG}rect") if mark.get("class") == "f0"]
    legends = 2
    assert len(marks) == 2 * sum(value is not None for value in values) + legends
    height = float(root.attrib["height"])
    for mark in marks:
        assert 0 <= float(mark.attrib["y"]) <= height
