"""What may happen to an update: kills, power cuts, rot, a carrier that is gone, releases that come or are withdrawn."""

from __future__ import annotations

from typing import Any

import pytest

from support.damages import DAMAGES
from support.fleet_devices import ACCURATE, BAD, GOOD, Board, here
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.numbered import Numbered
from tbft_fleet.device import steps
from tbft_fleet.device.judged import Judged
from tbft_fleet.device.ongoing import Ongoing, read_ongoing
from tbft_fleet.device.states import State
from tbft_fleet.device.update import pull

UNDER_WAY = [State.VERIFY, State.STAGE, State.SWITCH, State.GATE, State.COMMIT]


class KilledError(BaseException):
    """The process ends here: nothing behind it is done, and nothing catches it."""


def kill_at(board: Board, state: State) -> None:
    """Pull until an update is at `state`, which is written down, and nothing of it done."""

    def tell(ongoing: Ongoing) -> None:
        if ongoing.state is state:
            raise KilledError

    with pytest.raises(KilledError):
        list(pull(board.place, board.shelf, board.put, tell, _passed))


def _passed(_question: object) -> tuple[Judged, ...]:
    return (Judged(gate="load", verdict="passed", text=""),)


def answers(board: Board) -> int:
    """The release that runs, by its number and by its link, which may be a rename apart; both are whole."""
    number = board.place.current()
    open_bundle(board.place.bundle(number))
    open_bundle(board.place.link)
    return number


@pytest.mark.parametrize("state", UNDER_WAY)
def test_a_kill_in_any_state_leaves_one_of_both_and_the_next_pull_ends_it(running: Board, state: State) -> None:
    kill_at(running, state)
    assert answers(running) in (1, 2)
    assert [each.outcome for each in running.pull()] == ["committed"]
    assert answers(running) == 2
    assert running.outbox[-1].outcome == "committed"


@pytest.mark.parametrize("state", [State.GATE, State.ROLL_BACK])
def test_a_kill_of_a_bad_release_ends_with_the_old_one(running: Board, state: State) -> None:
    running.shelf.add(BAD, 3, ACCURATE)

    def tell(ongoing: Ongoing) -> None:
        if ongoing.state is state:
            raise KilledError

    with pytest.raises(KilledError):
        list(pull(running.place, running.shelf, running.put, tell, here))
    assert answers(running) in (1, 3)
    assert [each.outcome for each in running.pull()] == ["rolled back"]
    assert answers(running) == 1


def test_power_that_goes_between_the_rename_and_the_gate(running: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new one runs, and nothing says so but the pointer: it has to pass its gates before it stays."""
    point = Numbered.point

    def cut(numbered: Numbered, number: int) -> None:
        point(numbered, number)
        raise KilledError

    monkeypatch.setattr(Numbered, "point", cut)
    with pytest.raises(KilledError):
        running.pull()
    monkeypatch.setattr(Numbered, "point", point)
    assert answers(running) == 2
    assert running.place.link.resolve() == running.place.bundle(1).resolve()
    (ended,) = running.pull()
    assert [each.gate for each in ended.gates] == ["load", "accuracy", "throttling"]
    assert ended.outcome == "committed"
    assert running.place.link.resolve() == running.place.bundle(2).resolve()


@pytest.mark.parametrize("state", UNDER_WAY)
def test_the_link_leads_to_nothing_on_trial(running: Board, state: State) -> None:
    """Whatever reads it, such as an agent, would else begin with a release and go back again."""
    kill_at(running, state)
    assert running.place.link.resolve() == running.place.bundle(1).resolve()


@pytest.mark.parametrize("state", [State.SWITCH, State.GATE])
def test_a_staged_release_that_rots_is_fetched_again(running: Board, state: State) -> None:
    kill_at(running, state)
    weights = running.place.bundle(2) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    fetched = running.shelf.fetched
    assert [each.outcome for each in running.pull()] == ["committed"]
    assert running.shelf.fetched == fetched + 1
    assert answers(running) == 2


def test_what_rots_while_it_runs_gives_way_to_the_one_before_and_is_fetched_again(running: Board) -> None:
    running.pull()
    (running.place.bundle(2) / "manifest.json").write_bytes(b"{")
    running.shelf.fails = TbftError("the carrier is away", "")
    with pytest.raises(TbftError, match="away"):
        running.pull()
    assert answers(running) == 1
    running.shelf.fails = None
    assert [each.outcome for each in running.pull()] == ["committed"]
    assert answers(running) == 2


def test_a_pointer_that_is_gone_costs_nothing(running: Board) -> None:
    """What runs is not fetched once more, nor removed for that."""
    running.pull()
    fetched = running.shelf.fetched
    (running.place.releases.folder / "current").unlink()
    assert answers(running) == 2
    assert running.pull() == []
    assert (answers(running), running.shelf.fetched) == (2, fetched)


def test_a_kill_between_the_staged_release_and_the_word_of_it_is_made_good(
    running: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder lies there, whole, and nobody knows: it is staged once more, and not of itself."""
    stage = steps.stage

    def cut(*arguments: Any) -> None:
        stage(*arguments)
        raise KilledError

    monkeypatch.setattr(steps, "stage", cut)
    with pytest.raises(KilledError):
        running.pull()
    monkeypatch.setattr(steps, "stage", stage)
    assert running.place.release(2) is not None
    assert [each.outcome for each in running.pull()] == ["committed"]
    assert answers(running) == 2


def test_where_all_that_ran_rots_it_is_fetched_again(running: Board) -> None:
    running.pull()
    for number in (1, 2):
        (running.place.bundle(number) / "predict.onnx").write_bytes(b"")
    running.shelf.fails = TbftError("the carrier is away", "")
    with pytest.raises(TbftError, match="away"):
        running.pull()
    assert (running.place.current(), running.place.releases.numbers()) == (0, [])
    assert not running.place.link.is_symlink()
    running.shelf.fails = None
    assert [each.release for each in running.pull()] == [2]


@pytest.mark.parametrize("how", sorted(DAMAGES))
@pytest.mark.parametrize("name", ["update.json", "releases/current"])
def test_whatever_its_small_files_say_something_whole_runs(running: Board, name: str, how: str) -> None:
    kill_at(running, State.GATE)
    path = running.place.folder / name
    path.write_bytes(DAMAGES[how](path.read_bytes()))
    assert answers(running) in (1, 2)
    running.shelf.fails = TbftError("the carrier is away", "")

    def judge(_question: object) -> tuple[Judged, ...]:
        assert running.place.link.resolve() == running.place.bundle(1).resolve()
        raise KilledError

    with pytest.raises((KilledError, TbftError)):
        list(pull(running.place, running.shelf, running.put, running.told.append, judge))
    running.shelf.fails = None
    running.pull()
    assert answers(running) == 2


def test_a_carrier_that_is_gone_keeps_nothing_unproven_running(running: Board) -> None:
    running.shelf.add(BAD, 3, ACCURATE)
    kill_at(running, State.GATE)
    assert answers(running) == 3
    running.shelf.fails = TbftError("the carrier is away", "")
    with pytest.raises(TbftError, match="away"):
        running.pull()
    assert answers(running) == 1
    assert running.outbox[-1].outcome == "rolled back"


@pytest.mark.parametrize("state", UNDER_WAY[:-1])
def test_a_newer_release_takes_the_place_of_an_unfinished_one(running: Board, state: State) -> None:
    kill_at(running, state)
    running.shelf.add(GOOD, 3, ACCURATE)
    (ended,) = running.pull()
    assert (ended.release, ended.outcome) == (3, "committed")
    assert running.place.releases.numbers() == [1, 3]
    found = read_ongoing(running.place.update)
    assert found is not None
    assert found.before == 1


def test_a_release_that_is_withdrawn_is_forgotten(running: Board) -> None:
    kill_at(running, State.STAGE)
    running.shelf.offers.pop()
    assert running.pull() == []
    assert answers(running) == 1


@pytest.mark.parametrize("state", [State.SWITCH, State.GATE])
def test_a_release_that_is_withdrawn_while_it_is_on_trial_goes_back(running: Board, state: State) -> None:
    """Its gates would pass, and need not be measured: the host heard of other devices what is wrong with it."""
    kill_at(running, state)
    running.shelf.withdrawn.add(2)
    (ended,) = running.pull()
    assert (ended.release, ended.outcome, ended.why) == (
        2,
        "rolled back",
        "the host withdrew it while it was on trial",
    )
    assert ended.gates == ()
    assert answers(running) == 1
    assert running.place.releases.numbers() == [1]
    assert running.outbox[-1].why == ended.why
    assert running.pull() == []


def test_a_release_that_is_withdrawn_while_its_gates_are_measured_goes_back(running: Board) -> None:
    """Which takes an hour on the images of some device."""

    def judge(question: object) -> tuple[Judged, ...]:
        running.shelf.withdrawn.add(2)
        return _passed(question)

    (ended,) = list(pull(running.place, running.shelf, running.put, running.told.append, judge))
    assert (ended.outcome, ended.why) == ("rolled back", "the host withdrew it while it was on trial")
    assert answers(running) == 1


def test_a_withdrawn_release_gives_way_to_a_newer_one(running: Board) -> None:
    kill_at(running, State.GATE)
    running.shelf.withdrawn.add(2)
    running.shelf.add(GOOD, 3)
    assert [(each.release, each.outcome) for each in running.pull()] == [(3, "committed")]


def test_what_a_killed_look_left_of_metadata_does_not_stay(running: Board) -> None:
    running.place.tuf.mkdir(exist_ok=True)
    (running.place.tuf / "tmp1a2b3c4d").write_bytes(b"{")
    running.pull()
    assert list(running.place.tuf.iterdir()) == []


def test_gates_that_never_end_are_begun_three_times(running: Board) -> None:
    """A release that takes the board down with it would be tried for good."""

    def crash(_question: object) -> tuple[Judged, ...]:
        raise KilledError

    for _ in range(3):
        with pytest.raises(KilledError):
            list(pull(running.place, running.shelf, running.put, running.told.append, crash))
        assert answers(running) == 2
    (ended,) = list(pull(running.place, running.shelf, running.put, running.told.append, crash))
    assert ended.outcome == "rolled back"
    assert answers(running) == 1


def test_a_result_that_cannot_be_written_is_told_later(running: Board) -> None:
    def full(_update: object, _accuracy: object) -> None:
        raise TbftError("no space left", "")

    with pytest.raises(TbftError, match="no space"):
        list(pull(running.place, running.shelf, full, running.told.append, _passed))
    assert answers(running) == 2
    assert [each.outcome for each in running.pull()] == ["committed"]
    assert [each.outcome for each in running.outbox] == ["committed", "committed"]
