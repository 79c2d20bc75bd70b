"""Runs are held against the full run of their own board and data, and never in what cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.made_up_reports import PI5, PMIC, made_up_energy, made_up_report, made_up_result, no_energy
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Drift
from tbft_runtime import Comparison, Report, compare
from tbft_runtime.board.state import BoardIdentity
from tbft_runtime.energy.result import Energy
from tbft_runtime.reporting.caveats import COVERED
from tbft_runtime.reporting.comparison import Row

ESTIMATE = msgspec.structs.replace(PMIC, meter="estimate", type="estimate", scope="a model of the board")
PI4 = BoardIdentity(model="Raspberry Pi 4 Model B", machine="aarch64", cores=4, memory_bytes=None, key="4" * 16)


def on(board: BoardIdentity, report: Report, **changes: Any) -> Report:
    """The report as if the run had been on another board; `changes` are those of its summary."""
    summary = msgspec.structs.replace(report.result.board, identity=board, **changes)
    result = msgspec.structs.replace(report.result, board=summary)
    return msgspec.structs.replace(report, result=result)


def with_data(data: str, report: Report) -> Report:
    return msgspec.structs.replace(report, data=data)


def throttled(by: tuple[str, ...] | None, report: Report) -> Report:
    return on(PI5, report, throttled=by)


def row_of(comparison: Comparison, run: str) -> Row:
    (row,) = (row for row in comparison.rows if row.run == run)
    return row


def refused(reports: Sequence[Report], **options: bool) -> TbftError:
    with pytest.raises(TbftError) as caught:
        compare(reports, **options)
    return caught.value


FULL = made_up_report("full", 60.0)
FEATURE = made_up_report("feature", 15.0)

seconds = st.one_of(st.just(0.0), st.floats(1e-3, 1e6))
joules = st.one_of(st.none(), st.just(0.0), st.floats(1e-3, 1e9))
accuracies = st.one_of(st.none(), st.integers(0, 80).map(lambda right: right / 80))
sources = st.sampled_from([PMIC, ESTIMATE, msgspec.structs.replace(PMIC, missing=())])


@st.composite
def energies(draw: st.DrawFn) -> Energy:
    if draw(st.booleans()):
        return no_energy(draw(seconds))
    covered = draw(st.sampled_from([0.0, 0.5, COVERED, 1.0]))
    return made_up_energy(draw(seconds), source=draw(sources), covered=covered, joules=draw(joules))


@st.composite
def reports(draw: st.DrawFn) -> Report:
    drift: Drift = draw(st.sampled_from(get_args(Drift)))
    report = made_up_report(
        drift,
        draw(st.floats(1e-3, 1e6)),
        energy=draw(energies()),
        train_seconds=draw(seconds),
        accuracy_before=draw(accuracies),
        accuracy_after=draw(accuracies),
        threads=draw(st.integers(1, 4)),
        latency=draw(st.sampled_from([made_up_result().latency, {}])),
    )
    result = msgspec.structs.replace(report.result, epochs=draw(st.integers(0, 3)))
    report = msgspec.structs.replace(report, result=result)
    report = on(draw(st.sampled_from([PI4, PI5])), report, throttled=draw(st.sampled_from([None, (), ("heat",)])))
    return with_data(draw(st.sampled_from(["a" * 16, "b" * 16])), report)


@given(st.lists(reports(), max_size=6).map(lambda found: [r for i, r in enumerate(found) if r not in found[:i]]))
def test_every_row_follows_from_its_report_and_its_baseline(found: list[Report]) -> None:
    """Whatever is missing or zero: order kept, savings 1 - own / full, and no saving without a full run."""
    names = [f"run {index}" for index in range(len(found))]
    rows = compare(found, names, allow_different=True, allow_throttled=True).rows
    assert [row.run for row in rows] == names
    for report, row in zip(found, rows, strict=True):
        result, energy = report.result, report.result.energy
        ground = [
            other
            for other in found
            if (other.data, other.result.board.identity) == (report.data, result.board.identity)
            and other.result.drift == "full"
            and other.result.epochs
        ]
        full = ground[0].result if ground else None
        assert row.baseline == (full is result)
        assert (row.seconds, row.joules, row.covered) == (result.train_seconds, energy.joules, energy.covered)
        if full is None or not full.train_seconds:
            assert row.saved_seconds is None
        else:
            assert row.saved_seconds == pytest.approx(1 - result.train_seconds / full.train_seconds)
        if row.saved_joules is not None:
            assert full is not None
            assert energy.joules is not None
            assert full.energy.joules
            assert full.energy.source == energy.source
            assert min(energy.covered, full.energy.covered) >= COVERED
            assert row.saved_joules == pytest.approx(1 - energy.joules / full.energy.joules)
        if row.baseline:
            assert row.saved_seconds in (None, 0.0)
            assert row.saved_joules in (None, 0.0)
        if row.joules_per_point is not None:
            assert row.joules is not None
            assert row.gained_points is not None
            assert row.gained_points > 0
            assert row.joules_per_point * row.gained_points == pytest.approx(row.joules)


def test_what_partial_training_saves() -> None:
    """A quarter of the time, of a board that always draws the same."""
    comparison = compare([FEATURE, FULL])
    feature, full = comparison.rows
    assert comparison.notes == ()
    assert (feature.baseline, full.baseline) == (False, True)
    assert (feature.saved_seconds, feature.saved_joules) == (0.75, 0.75)
    assert (full.saved_seconds, full.saved_joules) == (0.0, 0.0)
    assert feature.notes == full.notes == ()


def test_the_first_full_run_is_the_baseline() -> None:
    """A second one is held against it, and a note says which was taken."""
    second = made_up_report("full", 30.0, run="runs/again")
    comparison = compare([FEATURE, FULL, second])
    assert [row.baseline for row in comparison.rows] == [False, True, False]
    assert row_of(comparison, "again").saved_seconds == 0.5
    (note,) = comparison.notes
    assert "'full' and 'again'" in note


def test_a_full_run_without_an_epoch_trained_nothing() -> None:
    """It only estimated statistics again, and its time says nothing of full fine-tuning."""
    idle = made_up_report("full", 60.0, epochs=5)
    idle = msgspec.structs.replace(idle, result=msgspec.structs.replace(idle.result, epochs=0, blocks=()))
    comparison = compare([idle, FEATURE])
    assert not any(row.baseline for row in comparison.rows)


def test_without_a_full_run_nothing_is_saved() -> None:
    """And a note says why the column is empty."""
    comparison = compare([FEATURE, made_up_report("output", 9.0)])
    assert [(row.saved_seconds, row.saved_joules) for row in comparison.rows] == [(None, None)] * 2
    (note,) = comparison.notes
    assert "'feature' and 'output'" in note
    assert "full" in note


def test_different_boards_are_refused() -> None:
    """With the names of runs and boards, and the way to insist."""
    error = refused([FULL, FEATURE, on(PI4, made_up_report("output"))])
    assert "'full' and 'feature' on Raspberry Pi 5" in error.message
    assert "'output' on Raspberry Pi 4" in error.message
    assert "data" not in error.message
    assert "`allow_different`" in error.hint


def test_boards_of_one_model_are_told_apart() -> None:
    """As with another amount of memory."""
    twin = msgspec.structs.replace(PI5, key="6" * 16)
    comparison = compare([FULL, on(twin, FEATURE)], allow_different=True)
    full, feature = (row.board for row in comparison.rows)
    assert full != feature
    assert full.startswith(PI5.model)
    assert feature.startswith(PI5.model)


def test_different_data_is_refused() -> None:
    error = refused([FULL, with_data("e" * 16, FEATURE)])
    assert "different data: 'full' on dddd" in error.message
    assert "'feature' on eeee" in error.message
    assert "board" not in error.message
    assert "`allow_different`" in error.hint


def test_allowed_to_differ_each_has_the_full_run_of_its_own() -> None:
    """Where there is none nothing is saved, rather than against a stranger."""
    found = [FULL, FEATURE, on(PI4, made_up_report("full", 300.0)), on(PI4, FEATURE), with_data("e" * 16, FEATURE)]
    names = ["full", "feature", "full on 4", "feature on 4", "other data"]
    comparison = compare(found, names, allow_different=True)
    assert [row.baseline for row in comparison.rows] == [True, False, True, False, False]
    assert row_of(comparison, "feature").saved_seconds == 0.75
    assert row_of(comparison, "feature on 4").saved_seconds == pytest.approx(0.95)
    assert row_of(comparison, "other data").saved_seconds is None
    assert any("different boards" in note for note in comparison.notes)
    assert any("different data" in note for note in comparison.notes)
    assert any("no savings for 'other data':" in note for note in comparison.notes)


def test_a_throttled_run_is_refused() -> None:
    """Its time is the power supply's, not the method's."""
    slow = throttled(("under-voltage", "frequency capped"), FEATURE)
    error = refused([FULL, slow])
    assert "'feature'" in error.message
    assert "under-voltage, frequency capped" in error.message
    assert "`allow_throttled`" in error.hint
    row = compare([FULL, slow], allow_throttled=True).rows[1]
    assert row.saved_seconds == 0.75
    assert any("under-voltage" in note for note in row.notes)


def test_a_board_that_cannot_tell_is_not_refused() -> None:
    """But the reader knows that nobody looked."""
    row = compare([FULL, throttled(None, FEATURE)]).rows[1]
    assert row.saved_seconds == 0.75
    assert any("does not say whether it was throttled" in note for note in row.notes)


def test_the_same_run_twice_is_refused() -> None:
    """Also as a copy somewhere else."""
    error = refused([FULL, FEATURE, FULL])
    assert "the same run" in error.message
    assert "once" in error.hint


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"threads": 2}, "threads 2, baseline 4"),
        ({"batch_size": 16}, "batch size 16, baseline 32"),
        ({"epochs": 3}, "epochs 3, baseline 5"),
        ({"seed": 1}, "seed 1, baseline 0"),
        ({"validation_images": 40}, "validation images 40, baseline 80"),
        ({"batch_norm": "batch"}, "batch norms batch, baseline frozen"),
        ({"runtime": {"onnxruntime": "1.22.0"}}, "onnxruntime 1.22.0, baseline 1.31.1"),
    ],
)
def test_other_settings_are_named(changes: dict[str, Any], note: str) -> None:
    """They save or cost something that is not the block's doing."""
    result = msgspec.structs.replace(FEATURE.result, **changes)
    rows = compare([FULL, msgspec.structs.replace(FEATURE, result=result)]).rows
    assert rows[0].notes == ()
    assert rows[1].notes == (note,)


def test_another_model_is_named() -> None:
    rows = compare([FULL, msgspec.structs.replace(FEATURE, model="resnet50")]).rows
    assert rows[1].notes == ("model resnet50, baseline resnet26",)


def test_no_runs_are_no_rows() -> None:
    assert compare([]).rows == ()
