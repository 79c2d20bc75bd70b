"""Runs become figures, medians, fronts and notes; nothing is made up where something is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from support.bundles import compiled
from support.made_up_reports import PMIC, made_up_energy, made_up_report, no_energy
from tbft_artifacts.errors import DIVERGED_EXIT_CODE, USAGE_EXIT_CODE, TbftError
from tbft_edge.compare.entries import Entry, open_entries
from tbft_edge.compare.options import ComparisonSettings, Options, settings_of
from tbft_edge.compare.results import Results, Spread
from tbft_edge.compare.runs import Evaluated, Outcome, Run
from tbft_edge.compare.summary import summarize

TESTED = Evaluated(accuracy=0.625, images=40, images_per_second=500.0)
HEAD, FULL = "output-frozen-sgd", "full-batch-adam"


@pytest.fixture
def entries() -> list[Entry]:
    return open_entries([compiled("output-frozen"), compiled("full-batch")])


@pytest.fixture
def options(tmp_path: Path, squares: Path) -> Options:
    return Options(
        data=squares,
        test=None,
        out=tmp_path,
        repeats=1,
        seed=0,
        epochs=5,
        threads=1,
        val_fraction=0.2,
        meter="auto",
    )


def ended(entry: Entry, seconds: float = 20.0, seed: int = 0, **changes: Any) -> Run:
    plan = entry.way.plans[0]
    report = made_up_report(plan.drift, seconds, plan=plan.id, **changes)
    return Run(entry, seed, Outcome(evaluated=TESTED), report)


def failed(entry: Entry, why: str, *, diverged: bool = True) -> Run:
    return Run(entry, 0, Outcome(failed=why, diverged=diverged), None)


def summary(options: Options, runs: Sequence[Run], before: Evaluated | None = None) -> Results:
    entries = [run.entry for run in runs]
    settings: ComparisonSettings = settings_of(options, entries)
    return summarize(options, settings, runs, {entry.bundle_id: before for entry in entries})


def test_figures_are_those_of_the_run_and_of_its_plan(options: Options, entries: list[Entry]) -> None:
    results = summary(options, [ended(entries[0], 20.0)])
    (entry,), plan = results.entries, entries[0].way.plans[0]
    (run,) = entry.runs
    assert (entry.method, entry.drift, entry.plan, entry.blocks) == ("tbft", "output", HEAD, ("fc",))
    assert run.trained_parameters == 28 == 6 * 4 + 4
    assert run.parameter_bytes == 4 * run.trained_parameters
    assert (run.step_flops, run.activation_bytes) == (plan.cost.step_flops, plan.cost.activation_bytes)
    assert (run.accuracy_before, run.accuracy_after) == (0.25, 0.75)
    assert (run.seconds, run.joules, run.inference_ms) == (20.0, 100.0, 2.0)
    assert run.training_memory_bytes == 126_000_000 - 60_000_000
    assert (results.test, results.test_images, results.board) == (None, 80, "Raspberry Pi 5 Model B Rev 1.0")
    assert results.data.startswith("squares.npz (")


def test_with_test_images_accuracy_is_theirs(options: Options, entries: list[Entry], more_squares: Path) -> None:
    from dataclasses import replace as changed

    base = Evaluated(accuracy=0.125, images=40, images_per_second=1.0)
    results = summary(changed(options, test=more_squares), [ended(entries[0])], base)
    (run,) = results.entries[0].runs
    assert (run.accuracy_before, run.accuracy_after) == (0.125, 0.625)
    assert results.test_images == 40
    assert results.test is not None
    assert results.test.startswith("more.npz (")


def test_repeats_give_a_median_and_its_spread(options: Options, entries: list[Entry]) -> None:
    """Runs of an entry belong together, in whatever turn they were."""
    seconds = (30.0, 10.0, 14.0)
    runs = [
        run for seed, s in enumerate(seconds) for run in (ended(entries[0], s, seed), ended(entries[1], 2 * s, seed))
    ]
    head, full = summary(options, runs).entries
    assert head.spread("seconds") == Spread(14.0, 10.0, 30.0)
    assert full.spread("joules") == Spread(140.0, 100.0, 300.0)
    assert [run.seed for run in full.runs] == [0, 1, 2]


def test_the_front_is_of_medians(options: Options, entries: list[Entry]) -> None:
    """The full run is dearer and no better at first, then better."""
    runs = [ended(entries[0], 20.0), ended(entries[1], 40.0)]
    assert summary(options, runs).front("seconds").entries == (HEAD,)
    assert set(summary(options, runs).front("peak_memory_bytes").entries) == {HEAD, FULL}  # Equal in both.
    runs = [ended(entries[0], 20.0), ended(entries[1], 40.0, accuracy_after=0.8)]
    assert summary(options, runs).front("joules").entries == (HEAD, FULL)


def test_a_failed_entry_is_a_row_that_says_why(options: Options, entries: list[Entry]) -> None:
    results = summary(options, [ended(entries[0]), failed(entries[1], "the loss of epoch 2 is nan")])
    full = results.entries[1]
    assert (full.name, full.runs, full.failed) == (FULL, (), ("the loss of epoch 2 is nan",))
    assert full.energy == "unavailable"
    assert all(FULL not in front.entries for front in results.fronts)


@pytest.mark.parametrize(("diverged", "code"), [(True, DIVERGED_EXIT_CODE), (False, USAGE_EXIT_CODE)])
def test_where_nothing_ended_well_there_are_no_results(
    options: Options, entries: list[Entry], diverged: bool, code: int
) -> None:
    with pytest.raises(TbftError, match=f"no run ended well: {HEAD}: too hot; {FULL}: too wet") as caught:
        summary(options, [failed(entries[0], "too hot"), failed(entries[1], "too wet", diverged=diverged)])
    assert caught.value.exit_code == code


def test_energy_says_whether_it_was_measured(options: Options, entries: list[Entry]) -> None:
    estimate = made_up_energy(20.0, source=replace(PMIC, type="estimate", meter="estimate"))
    for energy, word, meter in (
        (made_up_energy(20.0), "measured", "pmic"),
        (estimate, "estimate", "estimate"),
        (no_energy(20.0), "unavailable", None),
    ):
        entry = summary(options, [ended(entries[0], energy=energy)]).entries[0]
        assert (entry.energy, entry.meter) == (word, meter)


def test_joules_that_are_missing_or_of_another_meter_make_no_front(options: Options, entries: list[Entry]) -> None:
    estimate = made_up_energy(20.0, source=replace(PMIC, type="estimate", meter="estimate"))
    for energy, words in ((no_energy(20.0), f"energy of '{FULL}' is unavailable"), (estimate, "is not comparable")):
        front = summary(options, [ended(entries[0]), ended(entries[1], energy=energy)]).front("joules")
        assert front.entries == ()
        assert front.unavailable is not None
        assert words in front.unavailable


def test_doubts_are_said_once(options: Options, entries: list[Entry]) -> None:
    """Of repeats with the same doubt, and with their own figures in it, the first stands for all."""
    board = made_up_report().result.board
    runs = [ended(entries[0], seed=s, board=replace(board, other_load=1.5 + s)) for s in range(3)]
    cut = Run(entries[0], 3, Outcome(evaluated=TESTED, resumed=True), runs[0].report)
    (entry,) = summary(options, [*runs, cut]).entries
    assert entry.notes == (
        "other processes kept 1.5 cores busy on average",
        "was interrupted and went on: its peak memory is that of the last part",
    )


def test_in_what_entries_differ_is_said(options: Options, entries: list[Entry]) -> None:
    results = summary(options, [ended(entries[0]), ended(entries[1], batch_size=8)])
    assert results.notes == (f"batch size differs: 32: {HEAD}; 8: {FULL}",)
