"""What is decided in each state, by a pupil that ends as the test says: no state keeps the agent for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.agent_stage import Stage, wrong
from support.agents import dark_pictures, journal, old_pictures, show
from tbft_agent.adapting.child import BoardError
from tbft_agent.states import State
from tbft_agent.versions import BUNDLE
from tbft_artifacts.errors import TbftError


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_the_whole_way(stage: Stage) -> None:
    """Drift, training, proof, swap, probation, and watching again."""
    stage.drift()
    stage.outcomes = [stage.better()]
    assert [stage.tick(), stage.tick(), stage.tick()] == [State.ADAPTING, State.PROVING, State.PROBATION]
    core = stage.agent.core
    assert (core.answering.version, core.versions.current) == (1, 1)
    show(stage.agent, dark_pictures(40, 3))
    assert stage.tick() is State.WATCHING
    assert core.memory.version == 1


def test_a_model_that_is_less_sure_than_promised_goes_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.drift()
    stage.outcomes = [stage.better()]
    stage.tick(3)
    monkeypatch.setattr("tbft_agent.serving.served.Looked.confidence", property(lambda _: 0.4))
    show(stage.agent, dark_pictures(40, 3))
    assert stage.tick() is State.WATCHING
    assert stage.agent.core.answering.version == stage.agent.core.versions.current == BUNDLE


def test_drift_that_stays_is_tried_again_after_a_rest(stage: Stage) -> None:
    stage.drift()
    stage.agent.core.remember(needs_labels=False)
    stage.outcomes = [lambda _: BoardError("memory was short", "")]
    assert stage.tick(2) is State.WATCHING
    show(stage.agent, dark_pictures(16, 4))
    assert stage.tick() is State.WATCHING
    assert stage.tick(1, 60) is State.DRIFTED
    show(stage.agent, dark_pictures(40, 5))
    stage.outcomes = [stage.better()]
    assert stage.tick(3) is State.PROBATION


def test_labels_of_a_drift_that_was_left_count_when_it_is_tried_again(stage: Stage) -> None:
    """Else people would be asked for as many again after each rest; those of a drift that went are of another one."""
    stage.drift(64)
    for kept in stage.agent.core.store.recent(10):
        stage.agent.label(kept.digest, kept.answer)
    episode, labelled = stage.agent.core.memory.episode, len(stage.agent.core.labelled())
    stage.outcomes = [lambda _: BoardError("memory was short", "")]
    assert stage.tick(2) is State.WATCHING
    show(stage.agent, dark_pictures(16, 4))
    assert stage.tick(1, 60) is State.DRIFTED
    assert stage.agent.core.memory.episode == episode
    assert len(stage.agent.core.labelled()) == labelled == 10

    stage.outcomes = [lambda _: BoardError("memory was short", "")]
    show(stage.agent, dark_pictures(40, 5))
    assert stage.tick(2) is State.WATCHING
    show(stage.agent, old_pictures(16, 6))
    stage.tick(1, 60)
    show(stage.agent, dark_pictures(16, 7))
    assert stage.tick() is State.DRIFTED
    assert stage.agent.core.memory.episode > episode
    assert stage.agent.core.labelled() == []


def test_a_board_that_is_short_of_memory_bothers_nobody(stage: Stage) -> None:
    """A training that the kernel ended made the agent ask for labels, which help as little."""
    stage.drift()
    stage.outcomes = [lambda _: BoardError("the command was ended by SIGKILL", "")]
    assert stage.tick(2) is State.WATCHING
    assert stage.pupil.chosen == []


@pytest.mark.parametrize("how", ["the run is gone", "the disk is full"])
def test_a_candidate_that_cannot_be_kept_leaves_the_old_one(
    stage: Stage, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.drift()
    stage.outcomes = [stage.better()]
    stage.tick(2)
    assert stage.state is State.PROVING
    if how == "the run is gone":
        stage.agent.core.place.clear_work()
    else:
        monkeypatch.setattr("tbft_agent.versions.flush", _full)
    assert stage.tick() is State.WATCHING
    assert stage.agent.core.answering.version == stage.agent.core.versions.current == BUNDLE
    assert any("cannot be kept" in line for line in journal(stage.agent))


def _full(path: Path) -> None:
    raise OSError(28, "No space left on device", str(path))


def test_a_training_that_was_stopped_is_no_trap(stage: Stage) -> None:
    stage.drift()
    stage.outcomes = [lambda _: None]
    assert stage.tick(2) is State.WATCHING


def test_images_that_there_is_no_room_for_are_not_waited_for_in_silence(tmp_path: Path) -> None:
    """Photos of a phone: 200 MB have room for forty of them, and it waited for 256."""
    stage = Stage(tmp_path, keep={"size": "5KB"})
    show(stage.agent, dark_pictures(40, 1))
    stage.tick(2)
    assert stage.state is State.DRIFTED
    assert stage.agent.core.waits_for is not None
    assert "`keep.size` has room for" in stage.agent.core.waits_for


def test_drift_that_goes_away_is_forgotten(stage: Stage) -> None:
    show(stage.agent, dark_pictures(16, 1))
    assert stage.tick() is State.DRIFTED
    show(stage.agent, old_pictures(24, 7))
    assert stage.tick() is State.WATCHING


def test_a_pause_trains_nothing_and_answers_on(stage: Stage) -> None:
    stage.agent.pause(True)
    stage.drift()
    assert stage.tick(5) is State.DRIFTED
    assert stage.agent.core.waits_for == "somebody paused it"
    stage.agent.pause(False)
    stage.outcomes = [stage.better()]
    assert stage.tick() is State.ADAPTING


def test_purging_ends_what_is_made_of_the_images(stage: Stage) -> None:
    """The folder of a training has links to each of them."""
    stage.drift()
    stage.outcomes = [stage.better()]
    stage.tick(2)
    assert stage.agent.purge() > 0
    assert list(stage.agent.core.place.work.rglob("*")) == []
    assert stage.tick() is State.WATCHING


def test_a_model_that_gives_no_answers_any_more_goes_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No image is heard of then, and probation waited for them."""
    stage.drift()
    stage.outcomes = [stage.better()]
    assert stage.tick(3) is State.PROBATION
    served = stage.agent.core.answering.served
    with monkeypatch.context() as patched:
        patched.setattr(type(served), "look", _no_numbers)
        for picture in dark_pictures(3, 9):
            with pytest.raises(TbftError, match="no numbers"):
                stage.agent.core.answering.answer(picture)
    assert stage.tick() is State.WATCHING
    assert stage.agent.core.answering.version == BUNDLE
    show(stage.agent, dark_pictures(1))


def _no_numbers(*_: object) -> None:
    raise TbftError("answers are no numbers", "roll back")


def test_going_back_where_nothing_can_be_loaded_answers_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.drift()
    stage.outcomes = [stage.better()]
    stage.tick(3)
    monkeypatch.setattr("tbft_agent.core.serve", _no_numbers)
    with pytest.raises(TbftError):
        stage.agent.roll_back()
    assert stage.agent.core.answering.version == 1
    show(stage.agent, dark_pictures(1))


def test_corrections_that_nobody_asked_for_call_no_model_wrong(stage: Stage) -> None:
    """People correct what is wrong, and say nothing of the rest; it is learned from all the same."""
    show(stage.agent, old_pictures(16, 3))
    for kept in stage.agent.core.store.recent(10):
        stage.agent.label(kept.digest, wrong(kept.answer))
    assert stage.tick(3) is State.WATCHING
    stage.agent.core.store.ask([kept.digest for kept in stage.agent.core.store.recent(10)])
    for kept in stage.agent.core.store.recent(10):
        stage.agent.label(kept.digest, wrong(kept.answer))
    assert stage.tick() is State.DRIFTED
