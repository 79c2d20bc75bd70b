"""The energy of a day: of every training that was begun, whatever became of it, and what is said where nobody knows."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from support.agent_life import Life
from support.agent_stage import Stage
from support.agents import METERED, configured, dark_pictures, journal, show, started
from support.bundles import compiled
from support.fake_meters import write_tree
from support.scripts import script
from tbft_agent.adapting import child
from tbft_agent.adapting.energy import Metered, Spent
from tbft_agent.adapting.lesson import HeldBackError
from tbft_agent.pupil import Pupil
from tbft_agent.settings import read_settings
from tbft_agent.states import State
from tbft_agent.web.status import status_of
from tbft_artifacts.errors import TbftError
from tbft_runtime.board.access import Board

PATIENCE = 10.0
SAID = {"joules": 4.0, "seconds": 2.0, "covered": 0.5, "mean_watts": 4.0}
PI = {"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0"}


@dataclass
class Schooled:
    """A pupil whose commands are a script that a test writes."""

    stage: Stage
    python: Path

    def spent(self, *lines: str, stops: bool = False) -> Spent:
        """What a lesson takes of which the commands do this."""
        script(self.python, *lines)
        pupil = Pupil(lambda _: None)
        pupil.learn(self.stage.agent.core.lesson())
        time.sleep(0.3 if stops else 0)
        if stops:
            pupil.stop()
        deadline = time.monotonic() + PATIENCE
        while (found := pupil.spent()) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert pupil.spent() is None
        return found


@pytest.fixture
def schooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Schooled:
    stage = Stage(tmp_path)
    stage.drift()
    monkeypatch.setattr(child.sys, "executable", str(tmp_path / "python"))
    return Schooled(stage, tmp_path / "python")


def test_a_training_that_was_held_back_is_counted(schooled: Schooled) -> None:
    """By its guard: it took as much as one that answers."""
    told = json.dumps({"energy": SAID, "unlabelled": {"decision": "keep", "why": "nothing to gain"}})
    spent = schooled.spent("sleep 0.2", f"echo '{told}'")
    assert spent.metered == msgspec.convert(SAID, Metered)
    assert spent.seconds >= 0.2
    assert spent.measured == 4


@pytest.mark.parametrize("stops", [False, True])
def test_a_training_that_failed_or_was_stopped_is_counted_by_its_time(schooled: Schooled, stops: bool) -> None:
    spent = schooled.spent(f"sleep {600 if stops else 0.2}", "exit 1", stops=stops)
    assert spent.metered is None
    assert 0.2 <= spent.seconds < PATIENCE
    assert spent.estimated(5.0) == pytest.approx(5 * spent.seconds)
    assert spent.estimated(None) is None


def test_seconds_that_no_meter_saw_are_counted_at_its_mean() -> None:
    """Of two seconds of epochs it saw one; reading, diagnosis and proof took eight more."""
    spent = Spent(10.0, msgspec.convert(SAID, Metered))
    assert spent.measured + (spent.estimated(100.0) or 0) == 4 + 4 * 9
    # A head in closed form has no epochs.
    assert Spent(10.0, Metered()).estimated(3.0) == 30


def budgeted(tmp_path: Path, **board: str) -> Stage:
    write_tree(tmp_path / "root", board)
    stage = Stage(tmp_path, adapt={"energy_budget": "50 J/day", "meter": "auto"})
    stage.agent.core.permission.machine = Board(tmp_path / "root", lambda _: None)
    stage.agent.core.permission.look()
    return stage


def test_trainings_that_come_to_nothing_use_up_the_budget(tmp_path: Path) -> None:
    """Only those that came to something were counted: the others went on all night."""
    stage = budgeted(tmp_path, **PI)
    stage.clock.turn(10)
    stage.drift()
    stage.outcomes = [lambda _: HeldBackError("nothing to gain", METERED)]
    stage.tick()
    assert stage.state is State.ADAPTING
    stage.pupil.took = Spent(30.0, METERED)
    stage.tick()
    core = stage.agent.core
    assert core.memory.joules_today == 2 + 2 * 29
    assert core.memory.begun is None
    assert any(
        line.startswith("energy: a training of 30 s took 60 J, 58 of them by mean power")
        for line in journal(stage.agent)
    )
    core.remember(state=State.DRIFTED, needs_labels=False, asked=0)
    assert stage.tick(2) is State.DRIFTED
    assert core.waits_for == "60 J were used today, of 50"
    # One that failed is counted by the watts of the one before.
    core.count(Spent(10.0))
    assert core.memory.joules_today == 80


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    stage = budgeted(tmp_path, **PI)
    stage.agent.core.count(Spent(7.0))
    assert stage.agent.core.memory.joules_today == 0
    assert (
        journal(stage.agent)[-1] == "energy: what a training of 7 s took is not known: no meter has said anything yet"
    )


def test_a_training_that_the_agent_did_not_live_to_see_the_end_of_is_counted(life: Life) -> None:
    life.begin().close()
    memory = msgspec.structs.replace(life.memory, state=State.ADAPTING, lived=500.0, begun=480.0, watts=3.0)
    life.remember(memory)
    agent = life.begin()
    assert agent.core.memory.joules_today == 60
    agent.core.store.close()
    assert life.begin().core.memory.joules_today == 60


def test_a_budget_without_a_meter_trains_nothing_and_says_so(tmp_path: Path) -> None:
    """It trained as if there was no budget, and counted nothing."""
    found = configured(tmp_path, compiled("kept"), adapt={"energy_budget": "50 J/day", "meter": "auto"})
    agent = started(found)
    assert any(line.startswith("energy: `adapt.energy_budget` cannot be held") for line in journal(agent))
    words = status_of(agent.core).waits_for
    assert words is not None
    assert "nothing is trained: there is no meter" in words
    show(agent, dark_pictures(16, 1))
    agent.tick()
    show(agent, dark_pictures(40, 2))
    for _ in range(3):
        agent.core.clock.turn(10)  # type: ignore[attr-defined]
        agent.tick()
    assert agent.core.memory.state is State.DRIFTED
    assert agent.core.waits_for == words

    # It is plugged in.
    write_tree(tmp_path / "root", PI)
    agent.core.permission.machine = Board(tmp_path / "root", lambda _: None)
    agent.core.clock.turn(10)  # type: ignore[attr-defined]
    agent.tick()
    assert agent.core.permission.no_meter is None
    assert agent.core.memory.state is State.ADAPTING
    agent.close()


def test_a_budget_with_the_meter_switched_off_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('bundle = "bundle"\nstate = "state"\n[adapt]\nenergy_budget = "50 J/day"\nmeter = "none"\n')
    with pytest.raises(TbftError, match=r"cannot be held with `adapt\.meter` none") as error:
        read_settings(file)
    assert error.value.hint
