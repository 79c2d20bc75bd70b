"""A run of very many epochs: each costs the same, and what is told of them stays small."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from support.bundles import compiled, read_manifest
from support.made_up_reports import made_up_epoch, made_up_report, made_up_stretch
from support.runs import fine_tune, state_of
from tbft_runtime.energy.result import Telemetry
from tbft_runtime.laps import Laps
from tbft_runtime.reporting.build import KEPT_EPOCHS, build_report, write_report
from tbft_runtime.reporting.read import LIMIT, read_report
from tbft_runtime.run.epoch import Epoch
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.history import Epochs
from tbft_runtime.run.state import TrainingState, load_state, save_state
from tbft_runtime.timing import PhaseTime
from tbft_runtime.training.accounts import TELEMETRY_POINTS


def full_epoch(number: int) -> Epoch:
    """With everything that can be known of one."""
    laps = Laps.of([1.0 + (number % 7), 1.5, 2.5])
    return replace(
        made_up_epoch(number, 1 / 3),
        steps=laps,
        phases=[
            PhaseTime(phase=phase, seconds=1 / 7, joules=1 / 9, laps=laps)
            for phase in ("read", "prefix", "train", "validation", "saving")
        ],
        energy=made_up_stretch("sensor", 1 / 3),
        telemetry=[Telemetry(seconds=0.1, watts=1 / 3, celsius=51.5, megahertz=1500.0)],
    )


def reported(run: Path, epochs: int, folder: Path) -> Path:
    """A report of so many epochs, of a run that had fewer."""
    state, stored = state_of(run), RunFolder(run).read_run()
    assert stored is not None
    state.epochs = Epochs(map(full_epoch, range(1, epochs + 1)))
    state.epoch, state.best_epoch = epochs, epochs // 2
    report = build_report(read_manifest(compiled("output-frozen")), stored, state, read_report(run).result, None)
    write_report(report, folder / "report.json")
    return folder / "report.json"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    fine_tune("output-frozen", squares, folder, epochs=2)
    return folder


def test_bytes_of_an_epoch_do_not_depend_on_those_before(tmp_path: Path) -> None:
    """The state stays as large as it was, and the history grows by a line."""
    path = tmp_path / "state.safetensors"
    state = TrainingState(current={}, slots={}, best={})
    sizes, history = [], []
    for number in range(1, 301):
        state.epochs.append(full_epoch(number))
        state.epoch = number
        state.epochs.settle(before=number)
        save_state(state, path)
        sizes.append(path.stat().st_size)
        history.append((tmp_path / "history.jsonl").stat().st_size if number > 1 else 0)
    assert len(state.epochs.recent) == 1
    assert max(sizes[10:]) - min(sizes[10:]) < 100
    assert max(after - before for before, after in pairwise(history)) < 2 * history[1]
    loaded = load_state(path)
    assert loaded is not None
    assert list(loaded.epochs) == [full_epoch(number) for number in range(1, 301)]


def test_all_epochs_are_told_up_to_ten_thousand(run: Path, tmp_path: Path) -> None:
    """Most runs have far fewer."""
    report = read_report(reported(run, KEPT_EPOCHS, tmp_path))
    assert report.epoch_stride == 1
    assert [epoch.number for epoch in report.epochs] == list(range(1, KEPT_EPOCHS + 1))


def test_a_report_of_very_many_epochs_can_be_read_again(run: Path, tmp_path: Path) -> None:
    """Every so many epochs, the best and the last one; a file far below what is read at most."""
    epochs = 40_003
    path = reported(run, epochs, tmp_path)
    assert path.stat().st_size < LIMIT / 4
    report = read_report(path)
    numbers = [epoch.number for epoch in report.epochs]
    assert report.epoch_stride == 5
    assert numbers == sorted({*range(1, epochs + 1, 5), epochs // 2, epochs})
    assert TELEMETRY_POINTS <= len(report.telemetry) <= 2 * TELEMETRY_POINTS
    seconds = [moment.seconds for moment in report.telemetry]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(epochs / 3, rel=0.01)
    assert report.step_ms is not None
    assert sum(report.step_ms.counts) == 3 * epochs


def test_an_epoch_is_told_as_it_was(run: Path, tmp_path: Path) -> None:
    """Thinning takes none of its figures."""
    report = read_report(reported(run, 3, tmp_path))
    first = report.epochs[0]
    assert [(phase.phase, phase.laps) for phase in first.phases][:2] == [("read", 3), ("prefix", 3)]
    assert first.validation_loss == 0.25
    assert made_up_report().format == report.format
    assert msgspec.json.decode((tmp_path / "report.json").read_bytes())["epochs"][2]["number"] == 3
