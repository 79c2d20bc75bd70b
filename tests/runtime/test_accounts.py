"""What is kept of each epoch: complete in the end, and without more work for later epochs than for earlier ones."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support.fake_meters import FakeMeter, fake_board
from tbft_runtime.energy.metering import Metering
from tbft_runtime.laps import Laps
from tbft_runtime.run.epoch import Epoch, Evaluation
from tbft_runtime.run.state import TrainingState
from tbft_runtime.timing import Stopwatch
from tbft_runtime.training.accounts import Accounts

EPOCHS = 40


def blank(number: int) -> Epoch:
    """An epoch of which nothing but its number is known yet."""
    return Epoch(
        number=number,
        train_loss=1.0,
        train_accuracy=0.5,
        validation=Evaluation(1.0, 0.5, 4),
        seconds=0.0,
        steps=Laps.of([1.0]),
        warm_up=number == 1,
    )


def kept(metering: Metering) -> tuple[TrainingState, int]:
    """The state after EPOCHS short epochs, and how often phases were added up for it."""
    state = TrainingState(current={}, slots={}, best={})
    asked = 0
    phase_times = metering.phase_times

    def counted(laps):  # type: ignore[no-untyped-def]
        nonlocal asked
        asked += 1
        return phase_times(laps)

    metering.phase_times = counted  # type: ignore[method-assign]
    stopwatch = Stopwatch()
    accounts = Accounts(metering, stopwatch, EPOCHS)
    with metering:
        for number in range(1, EPOCHS + 1):
            began = accounts.begin()
            with stopwatch.lap("train"):
                time.sleep(0.002)
            state.epochs.append(blank(number))
            state.epoch = number
            accounts.close(state, began)
            with stopwatch.lap("saving"):
                time.sleep(0.0005)
            accounts.extend(state)
        accounts.finish(state)
    return state, asked


@pytest.mark.parametrize("meter", [None, FakeMeter(), FakeMeter(away=lambda t: t > 0.05)], ids=["none", "good", "dies"])
def test_an_epoch_costs_the_same_however_many_came_before(tmp_path: Path, meter: FakeMeter | None) -> None:
    """Closed, extended, settled: without a meter, or when it went silent, earlier epochs are not gone through again."""
    state, asked = kept(Metering(fake_board(tmp_path), meter))
    assert asked <= 4 * EPOCHS
    for epoch in state.epochs:
        assert [phase.phase for phase in epoch.phases] == ["train", "saving"]
        assert epoch.seconds >= 0.0025


def test_late_samples_come_to_their_epochs(tmp_path: Path) -> None:
    """A meter half the run behind: in the end each epoch has its joules."""
    state, _ = kept(Metering(fake_board(tmp_path), FakeMeter(late=0.06)))
    for epoch in state.epochs[2:]:
        assert epoch.energy is not None
        assert epoch.energy.joules == pytest.approx(5 * epoch.seconds, rel=0.05)
