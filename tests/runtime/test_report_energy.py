"""Joules are held against joules of the same kind alone."""

from __future__ import annotations

import msgspec
import pytest

from support.made_up_reports import PMIC, made_up_calibration, made_up_energy, made_up_report, no_energy
from tbft_runtime import compare
from tbft_runtime.energy.result import Energy
from tbft_runtime.reporting.caveats import energy_obstacle
from tbft_runtime.reporting.report import Histogram

ESTIMATE = msgspec.structs.replace(PMIC, meter="estimate", type="estimate", scope="a model of the board")
FULL = made_up_report("full", 60.0)
FEATURE = made_up_report("feature", 15.0)


def test_energy_is_gross_and_net_stands_beside() -> None:
    """Idle power is paid by whoever trains longer, so that both are shown and only one is compared."""
    own = made_up_report("feature", 15.0, energy=made_up_energy(15.0, watts=4.0))
    row = compare([FULL, own]).rows[1]
    assert (row.joules, row.net_joules) == (60.0, 15.0)
    assert row.saved_joules == pytest.approx(1 - 60 / 300)
    assert row.joules_per_point == pytest.approx(60 / 50)


def test_what_disturbed_a_run_is_said() -> None:
    """Other processes took time and energy; and an idle board that drew more than the run was not idle."""
    report = made_up_report(energy=made_up_energy(20.0, watts=3.0, idle=3.5))
    board = msgspec.structs.replace(report.result.board, other_load=1.4)
    report = msgspec.structs.replace(report, result=msgspec.structs.replace(report.result, board=board))
    (row,) = compare([report]).rows
    assert "other processes kept 1.4 cores busy on average" in row.notes
    assert any("idle board drew more than the run" in note for note in row.notes)
    assert compare([FULL]).rows[0].notes == ()


@pytest.mark.parametrize(("longest", "told"), [(42.0, False), (4_000.0, False), (63_400.0, True)])
def test_a_step_in_which_the_board_stood_still_is_said(longest: float, told: bool) -> None:
    """A laptop that slept, a container that was paused: the clock went on, and so did joules; long steps are no gap."""
    report = made_up_report()
    report = msgspec.structs.replace(report, step_ms=Histogram(edges=(28.0, longest), counts=(49,)))
    (row,) = compare([report]).rows
    assert any("a step took 63 s" in note for note in row.notes) == told
    slow = msgspec.structs.replace(report.result.latency["step"], p50_ms=longest / 2)
    result = msgspec.structs.replace(report.result, latency={"step": slow})
    (row,) = compare([msgspec.structs.replace(report, result=result)]).rows
    assert not any("a step took" in note for note in row.notes)


@pytest.mark.parametrize(("images", "doubted"), [(99, True), (100, False)])
def test_a_threshold_of_few_images_is_doubted(images: int, doubted: bool) -> None:
    """A handful of images says little of others, whatever their accuracy was."""
    calibration = made_up_calibration()
    early = msgspec.structs.replace(calibration.early, images=images)
    report = made_up_report(exits=msgspec.structs.replace(calibration, early=early))
    (row,) = compare([report]).rows
    assert any("only 99 validation images" in note for note in row.notes) == doubted


@pytest.mark.parametrize(
    ("energy", "word"),
    [
        (made_up_energy(15.0, source=ESTIMATE), "estimate by 'estimate', baseline sensor by 'pmic'"),
        (made_up_energy(15.0, source=msgspec.structs.replace(PMIC, meter="hwmon")), "'hwmon'"),
        (made_up_energy(15.0, source=msgspec.structs.replace(PMIC, scope="the core")), "same parts"),
        (made_up_energy(15.0, source=msgspec.structs.replace(PMIC, missing=("a rail",))), "same parts"),
        (made_up_energy(15.0, covered=0.9), "covered 90%"),
        (no_energy(15.0), "no meter was found"),
        (made_up_energy(15.0, joules=None, unavailable="the sensor vanished"), "the sensor vanished"),
    ],
)
def test_energy_is_only_compared_with_its_like(energy: Energy, word: str) -> None:
    """Time is compared all the same, in both directions of the difference."""
    own = msgspec.structs.replace(FEATURE, result=msgspec.structs.replace(FEATURE.result, energy=energy))
    full = made_up_report("full", energy=energy)
    row = compare([FULL, own]).rows[1]
    assert row.saved_joules is None
    assert row.saved_seconds == 0.75
    assert any(word in note for note in row.notes)
    assert compare([full, FEATURE]).rows[1].saved_joules is None


def test_two_estimates_are_compared_as_estimates() -> None:
    """The same model on both sides, and marked so."""
    estimates = [
        made_up_report("full", 60.0, energy=made_up_energy(60.0, source=ESTIMATE)),
        made_up_report("feature", 15.0, energy=made_up_energy(15.0, source=ESTIMATE)),
    ]
    rows = compare(estimates).rows
    assert rows[1].saved_joules == 0.75
    assert all(row.estimate for row in rows)


def test_joules_of_a_part_of_a_run_make_no_joules_per_point() -> None:
    """They would be too few."""
    report = made_up_report("feature", energy=made_up_energy(20.0, covered=0.5))
    assert compare([report]).rows[0].joules_per_point is None


@pytest.mark.parametrize(("before", "after"), [(0.5, 0.5), (0.6, 0.5), (None, 0.5), (0.5, None), (None, None)])
def test_without_a_gain_no_joules_per_point(before: float | None, after: float | None) -> None:
    """Neither infinite nor negative ones."""
    row = compare([made_up_report(accuracy_before=before, accuracy_after=after)]).rows[0]
    assert row.joules_per_point is None
    assert (row.gained_points is None) == (before is None or after is None)


def test_two_power_models_are_not_compared() -> None:
    """Estimates of the same board from other figures: their difference says nothing of the runs."""
    sources = [
        msgspec.structs.replace(PMIC, meter="estimate", type="estimate", basis=(basis,)) for basis in ("2 W", "10 W")
    ]
    own, full = (made_up_energy(10.0, source=source) for source in sources)
    assert energy_obstacle(own, own) is None
    assert energy_obstacle(own, full) == "its figures are from 2 W, the baseline's from 10 W"
