"""The report of a real run: its joules, phases, confusion and board, also after an interruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from support.bundles import compiled
from support.fake_meters import FAKE, FakeMeter, fake_board, write_tree
from support.runs import Recorder, fine_tune, state_of
from tbft_runtime import TrainOptions, TrainResult, train, training_run
from tbft_runtime.meters.registry import MeterChoice
from tbft_runtime.reporting.report import Report

pytestmark = pytest.mark.alone

Meters = Callable[[FakeMeter], None]


@pytest.fixture
def attach(monkeypatch: pytest.MonkeyPatch) -> Meters:
    """Let runs from now on find this meter."""

    def attach(meter: FakeMeter) -> None:
        monkeypatch.setattr(training_run, "choose", lambda *_: MeterChoice(meter, None))

    return attach


def report_of(run: Path) -> Report:
    return msgspec.json.decode((run / "report.json").read_bytes(), type=Report)


def steady() -> FakeMeter:
    """5 W, of which 2 W are idle."""
    return FakeMeter(idle_watts=2.0)


def run(squares: Path, out: Path, **options: Any) -> TrainResult:
    return fine_tune("feature-frozen", squares, out, **{"epochs": 3, "batch_size": 6, "lr": 0.01, **options})


def test_joules_of_a_steady_meter(tmp_path: Path, squares: Path, attach: Meters) -> None:
    """5 W over the epochs' seconds, 3 W of them net; epochs and phases share them."""
    attach(steady())
    result = run(squares, tmp_path / "run")
    energy = result.energy
    assert energy.source == FAKE
    assert energy.covered == pytest.approx(1, abs=0.05)
    covered_seconds = energy.covered * result.train_seconds
    assert energy.joules == pytest.approx(5 * covered_seconds, rel=1e-3)
    assert energy.net_joules == pytest.approx(3 * covered_seconds, rel=1e-3)
    assert energy.mean_watts == pytest.approx(5)
    assert energy.seconds == result.train_seconds
    report = report_of(tmp_path / "run")
    assert sum(epoch.joules or 0 for epoch in report.epochs) == pytest.approx(energy.joules)
    for epoch in report.epochs:
        for phase in epoch.phases:
            assert phase.joules == pytest.approx(5 * phase.seconds, rel=0.05)
        assert sum(phase.seconds for phase in epoch.phases) <= epoch.seconds


def test_phases_of_a_run(tmp_path: Path, squares: Path) -> None:
    """What is computed once is prefix in the first epoch and read in the others; each image is decoded once."""
    result = run(squares, tmp_path / "run")
    report = report_of(tmp_path / "run")
    phases = [{phase.phase: phase.laps for phase in epoch.phases} for epoch in report.epochs]
    steps = state_of(tmp_path / "run").epochs[0].steps.count
    assert phases[0] == {"prefix": steps, "train": steps, "validation": 1, "saving": 1}
    assert phases[1] == phases[2] == {"read": steps, "train": steps, "validation": 1, "saving": 1}
    assert {phase.phase: phase.laps for phase in report.preparation} == {"decode": 48, "evaluation": 1}
    assert result.latency.keys() == {"step", "decode", "evaluation", "read", "prefix", "train", "validation", "saving"}
    assert (result.latency["train"].count, result.latency["train"].warm_up) == (3 * steps - 1, 1)
    assert result.latency["train"].p50_ms <= result.latency["train"].p95_ms <= result.latency["train"].p99_ms


def test_without_a_meter_everything_but_joules_is_there(tmp_path: Path, squares: Path) -> None:
    """No meter: the figures are missing with a reason, not 0."""
    result = run(squares, tmp_path / "run", meter="none")
    report = report_of(tmp_path / "run")
    assert result.energy.unavailable
    assert result.energy.joules is result.energy.net_joules is result.energy.mean_watts is None
    assert all(epoch.joules is None for epoch in report.epochs)
    assert all(phase.joules is None for epoch in report.epochs for phase in epoch.phases)
    assert result.board.identity.cores > 0
    assert report.result == result


def test_joules_survive_an_interruption(tmp_path: Path, squares: Path, attach: Meters) -> None:
    """Both parts of a run count; the break between them does not."""
    attach(steady())
    with pytest.raises(KeyboardInterrupt):
        run(squares, tmp_path / "run", progress=Recorder(interrupt_epoch=3, interrupt_after=6))
    attach(steady())
    result = run(squares, tmp_path / "run", resume=True)
    assert result.epochs == 3
    # The saving of the last epoch before the break is in no account: longer on a busy disk.
    assert 0.8 < result.energy.covered <= 1
    assert result.energy.joules == pytest.approx(5 * result.train_seconds * result.energy.covered, rel=1e-3)
    assert [epoch.warm_up for epoch in state_of(tmp_path / "run").epochs] == [True, False, True]


def test_joules_of_another_meter_are_not_added(tmp_path: Path, squares: Path, attach: Meters) -> None:
    """After the break another meter was there: its epochs count, the others are not covered."""
    attach(steady())
    with pytest.raises(KeyboardInterrupt):
        run(squares, tmp_path / "run", progress=Recorder(interrupt_epoch=3, interrupt_after=6))
    other = msgspec.structs.replace(FAKE, meter="other")
    attach(FakeMeter(watts=lambda _: 50.0, idle_watts=20.0, source=other))
    result = run(squares, tmp_path / "run", resume=True)
    last = report_of(tmp_path / "run").epochs[-1]
    assert result.energy.source == other
    assert result.energy.joules == pytest.approx(50 * last.covered * last.seconds, rel=1e-2)
    assert result.energy.covered == pytest.approx(last.seconds / result.train_seconds, rel=0.1)
    report = report_of(tmp_path / "run")
    for epoch in report.epochs[:-1]:
        assert epoch.joules is None
        assert all(phase.joules is None for phase in epoch.phases)
    assert last.joules == pytest.approx(result.energy.joules)
    assert report.preparation_source == FAKE


def on_board(root: Path, squares: Path, out: Path, progress: Recorder | None = None, **options: Any) -> TrainResult:
    """A run on a Raspberry Pi with these answers of its firmware (`throttled`) and this `model`."""
    answers = {"get_throttled": f"throttled={options.pop('throttled')}"}
    files = {"proc/device-tree/model": options.pop("model", "Raspberry Pi 5 Model B Rev 1.0")}
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 6, "lr": 0.01, "threads": 1, "meter": "none", **options}
    board = fake_board(write_tree(root, files), **answers)
    return train(compiled("feature-frozen"), TrainOptions(squares, out, **settings), progress, board)


def test_throttling_survives_an_interruption(tmp_path: Path, squares: Path) -> None:
    """Throttled, interrupted, gone on when it was cool again: the run was throttled, and so it stays."""
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        on_board(tmp_path / "hot", squares, out, Recorder(interrupt_epoch=3, interrupt_after=6), throttled="0x40004")
    result = on_board(tmp_path / "cool", squares, out, throttled="0x0", resume=True)
    assert result.epochs == 3
    assert result.board.throttled == ("throttled",)
    assert result.board.after.throttled == ()
    again = on_board(tmp_path / "cool", squares, out, throttled="0x0", resume=True)
    assert again.board == result.board
    assert again.metering == result.metering


def test_a_run_is_not_of_the_board_that_only_looked_at_it(tmp_path: Path, squares: Path) -> None:
    """`--resume` of a finished run on another board trains nothing there."""
    out = tmp_path / "run"
    result = on_board(tmp_path / "pi5", squares, out, throttled="0x0")
    again = on_board(tmp_path / "pi4", squares, out, throttled="0x0", model="Raspberry Pi 4 Model B", resume=True)
    assert again.board.identity == result.board.identity


def test_a_run_on_two_boards_is_of_neither(tmp_path: Path, squares: Path) -> None:
    """Its time is comparable with no run of one board alone."""
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        on_board(tmp_path / "pi5", squares, out, Recorder(interrupt_epoch=3, interrupt_after=6), throttled="0x0")
    identity = on_board(
        tmp_path / "pi4", squares, out, throttled="0x0", model="Raspberry Pi 4 Model B", resume=True
    ).board.identity
    assert identity.model == "Raspberry Pi 5 Model B Rev 1.0 then Raspberry Pi 4 Model B"
    alone = on_board(tmp_path / "pi4", squares, tmp_path / "alone", throttled="0x0", model="Raspberry Pi 4 Model B")
    assert identity.key != alone.board.identity.key


def test_a_late_meter_covers_the_last_epoch(tmp_path: Path, squares: Path, attach: Meters) -> None:
    """Samples that come half a second late are there in the end, and in the right epochs."""
    meter = steady()
    meter.late = 0.5
    attach(meter)
    result = run(squares, tmp_path / "run")
    assert 0.8 < result.energy.covered <= 1
    assert all(epoch.joules for epoch in report_of(tmp_path / "run").epochs)


def test_a_meter_that_vanishes_covers_a_part(tmp_path: Path, squares: Path, attach: Meters) -> None:
    """Unplugged after a moment: the joules until then, how much that is, and a run that ends well."""
    meter = steady()
    watched = Recorder()
    meter.away = lambda _: bool(watched.epochs)
    attach(meter)
    result = run(squares, tmp_path / "run", progress=watched, epochs=20, patience=20)
    assert 0 < result.energy.covered < 0.9
    assert result.energy.failed > 0
    epochs = report_of(tmp_path / "run").epochs
    assert sum(epoch.covered * epoch.seconds for epoch in epochs) == pytest.approx(
        result.energy.covered * result.train_seconds
    )
    # The last reading of a short epoch may have been left out.
    assert epochs[0].covered > 0
    assert epochs[0].joules
    assert (epochs[-1].covered, epochs[-1].joules) == (0, None)
    assert result.energy.joules == pytest.approx(5 * result.energy.covered * result.train_seconds, rel=1e-2)


def test_the_meter_is_closed_after_a_failure(tmp_path: Path, squares: Path, attach: Meters) -> None:
    """A run that ends in an error leaves no port open and no thread behind."""
    meter = steady()
    attach(meter)
    with pytest.raises(KeyboardInterrupt):
        run(squares, tmp_path / "run", progress=Recorder(interrupt_epoch=1, interrupt_after=1))
    assert meter.stopped


def test_confusion_before_and_after(tmp_path: Path, squares: Path) -> None:
    """Rows sum to the validation images of each class, the diagonal to the accuracy; base and best state."""
    result = run(squares, tmp_path / "run", lr=0.1)
    report = report_of(tmp_path / "run")
    for cells, accuracy in (
        (report.confusion_before, result.accuracy_before),
        (report.confusion_after, result.accuracy_after),
    ):
        assert sum(cell.images for cell in cells) == result.validation_images
        right = sum(cell.images for cell in cells if cell.true == cell.predicted)
        assert right / result.validation_images == pytest.approx(accuracy)
    assert sum(record.images for record in report.per_class) == result.validation_images
    assert sum(record.right_after for record in report.per_class) / result.validation_images == pytest.approx(
        result.accuracy_after
    )


def test_the_histogram_holds_every_warm_step(tmp_path: Path, squares: Path) -> None:
    """Steps that warm up are left out of it, all others are in."""
    run(squares, tmp_path / "run")
    histogram = report_of(tmp_path / "run").step_ms
    steps = [epoch.steps for epoch in state_of(tmp_path / "run").epochs]
    assert histogram is not None
    assert sum(histogram.counts) == sum(laps.count for laps in steps) - 1
    assert np.all(np.diff(histogram.edges) > 0)


def test_statistics_alone_are_reported(tmp_path: Path, squares: Path) -> None:
    """No epoch: no histogram, no joules of epochs, but what re-estimation took, and what it is worth."""
    fine_tune("feature-adapt", squares, tmp_path / "run", epochs=0)
    report = report_of(tmp_path / "run")
    assert (report.epochs, report.step_ms, report.telemetry) == ((), None, ())
    assert [phase.phase for phase in report.preparation] == ["decode", "evaluation", "statistics"]
    assert report.confusion_after


def test_statistics_alone_say_why_there_are_no_joules(tmp_path: Path, squares: Path, attach: Meters) -> None:
    """The meter worked: that there was no epoch is the reason, and what was measured before has its source."""
    attach(steady())
    result = fine_tune("feature-adapt", squares, tmp_path / "run", epochs=0)
    assert result.energy.joules is None
    assert result.energy.unavailable == "joules are counted in epochs, and there was none"
    report = report_of(tmp_path / "run")
    assert report.preparation_source == FAKE
    assert all(phase.joules for phase in report.preparation)
