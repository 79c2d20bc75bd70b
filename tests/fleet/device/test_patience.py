"""Boards that look by themselves leave a server alone that failed, longer each time, and none of them for ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from support.commands import Ended
from support.fleet_devices import NO_BOARD
from support.fleets import Handler, new_fleet, publish, served
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.join import join
from tbft_fleet.device.patience import FIRST_SECONDS, LONGEST_SECONDS, LeftAloneError, counting_failures, pause
from tbft_fleet.device.place import Place
from tbft_fleet.device.repository import repository
from tbft_fleet.device.retry_after import retry_after
from tbft_fleet.host.folder import Fleet

Command = Callable[..., Ended]
NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
# A port that nothing listens at.
NOBODY = "http://127.0.0.1:9/"


@dataclass
class Looking:
    """A board that looks for releases, by a clock that is turned by hand."""

    place: Place
    now: datetime = NOON
    said: list[str] = field(default_factory=list)

    def look(self, url: str, *, waits: bool = True) -> int | None:
        """The number of what it would take."""
        source = repository(self.place, url, self.said.append, ahead=False)
        with counting_failures(source, waits, lambda: self.now) as counted:
            offer = counted.newest()
            return None if offer is None else offer.release.number

    def fails(self, url: str, *, waits: bool = True) -> None:
        with pytest.raises(TbftError) as caught:
            self.look(url, waits=waits)
        assert not isinstance(caught.value, LeftAloneError)

    def is_left_alone(self, url: str) -> bool:
        try:
            self.look(url)
        except LeftAloneError as error:
            self.said.append(error.message)
            return True
        except TbftError:
            return False
        return False

    def waited(self) -> float:
        """Seconds that it is to wait now."""
        until = json.loads(self.place.failures.read_bytes())["until"]
        return (datetime.fromisoformat(until) - self.now).total_seconds()


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    fleet = new_fleet(tmp_path / "fleet")
    publish(fleet)
    return fleet


@pytest.fixture
def board(fleet: Fleet, tmp_path: Path) -> Looking:
    place = join(tmp_path / "state", fleet.root, "pi-7", "porch", NOBODY, None, NO_BOARD)
    # A pull makes it.
    place.releases.folder.mkdir()
    return Looking(place)


class Failing(Handler):
    """Answers all but what is in `works` with `status`, and with these headers."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    more: tuple[tuple[str, str], ...] = ()

    def do_GET(self) -> None:  # noqa: N802 (the name that its base has)
        self.asked.append(None)  # type: ignore[arg-type]
        self.send_response(self.status)
        for header in self.more:
            self.send_header(*header)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_each_pause_is_about_twice_the_last_and_none_longer_than_a_day() -> None:
    pauses = [pause(count, "pi-7") for count in range(1, 12)]
    assert all(
        0.75 * FIRST_SECONDS * 2**turn < found <= FIRST_SECONDS * 2**turn for turn, found in enumerate(pauses[:7])
    )
    assert all(0.75 * LONGEST_SECONDS < found <= LONGEST_SECONDS for found in pauses[7:])
    assert pause(2**31 - 1, "pi-7") <= LONGEST_SECONDS
    assert pause(1, "pi-7", wanted=7200) == 7200
    assert pause(1, "pi-7", wanted=1e30) == LONGEST_SECONDS


def test_boards_that_failed_together_do_not_come_back_together() -> None:
    """Two hundred of them, of a server that was down for an hour: over at least a fifth of the pause."""
    pauses = sorted(pause(3, f"pi-{number}") for number in range(200))
    assert pauses[-1] - pauses[0] > 0.2 * 4 * FIRST_SECONDS
    assert len(set(pauses)) > 50


def test_a_server_that_failed_is_left_alone_and_asked_again(board: Looking, fleet: Fleet) -> None:
    board.fails(NOBODY)
    first = board.waited()
    assert 0.75 * FIRST_SECONDS < first <= FIRST_SECONDS
    assert board.is_left_alone(NOBODY)
    assert "left alone until 2027-01-01 12:" in board.said[-1]
    assert "it failed 1 time, at last with: " in board.said[-1]
    board.now += timedelta(seconds=first + 1)
    board.fails(NOBODY)
    assert board.waited() > 1.5 * FIRST_SECONDS
    assert board.is_left_alone(NOBODY)


def test_somebody_who_looks_by_hand_waits_for_nothing(board: Looking, fleet: Fleet) -> None:
    """And what works again is no longer left alone."""
    with served(fleet.repository.folder, Failing) as (url, _):
        board.fails(url)
        board.fails(url, waits=False)
        assert board.is_left_alone(url)
    assert json.loads(board.place.failures.read_bytes())["count"] == 2
    with served(fleet.repository.folder) as (url, _):
        known = json.loads(board.place.failures.read_bytes())
        board.place.failures.write_text(json.dumps(known | {"server": url}))
        assert board.is_left_alone(url)
        assert board.look(url, waits=False) == 1
        assert not board.place.failures.exists()
        assert board.look(url) == 1


def test_nothing_is_asked_of_a_server_that_is_left_alone(board: Looking, fleet: Fleet) -> None:
    with served(fleet.repository.folder, Failing) as (url, asked):
        board.fails(url)
        before = len(asked)
        assert board.is_left_alone(url)
        assert len(asked) == before > 0


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_server_says_for_how_long(board: Looking, fleet: Fleet, status: int) -> None:
    kind = type("Busy", (Failing,), {"status": status, "more": (("Retry-After", "7200"),)})
    with served(fleet.repository.folder, kind) as (url, _):
        board.fails(url)
    assert board.waited() == 7200


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("120", 120),
        ("Fri, 01 Jan 2027 13:00:00 GMT", 3600),
        ("Fri, 01 Jan 2027 11:00:00 GMT", 0),
        ("Fri, 01 Jan 2027 13:00:00 -0000", 3600),
        ("-5", 0),
        ("soon", 0),
        ("nan", 0),
        ("1e9", 0),
        ("²", 0),
    ],
)
def test_what_a_server_says_of_later(said: str | None, seconds: float) -> None:
    assert retry_after(said, NOON) == seconds


def test_another_server_and_a_stick_are_looked_at_at_once(board: Looking, fleet: Fleet) -> None:
    """What one server did says nothing of others; and a stick that comes says nothing of the server."""
    board.fails(NOBODY)
    with served(fleet.repository.folder) as (url, _):
        assert board.look(str(fleet.repository.folder)) == 1
        assert board.is_left_alone(NOBODY)
        assert board.look(url) == 1
    gone = str(fleet.folder / "no-stick")
    board.fails(gone)
    board.fails(gone)


@pytest.mark.parametrize("turned", [-timedelta(days=365), -timedelta(hours=1), timedelta(days=365)])
def test_a_clock_that_jumps_leaves_nothing_alone_for_ever(board: Looking, turned: timedelta) -> None:
    board.fails(NOBODY)
    board.now += turned
    assert not board.is_left_alone(NOBODY)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"until": "never"}', b"\xff"])
def test_what_is_damaged_is_forgotten(board: Looking, content: bytes) -> None:
    board.place.failures.write_bytes(content)
    assert not board.is_left_alone(NOBODY)
    assert board.is_left_alone(NOBODY)


def test_what_the_fleet_did_not_sign_is_no_failure_of_the_server(board: Looking, fleet: Fleet) -> None:
    """It costs the server little, and may be mended at any moment; neither is a folder that lacks something."""
    (fleet.repository.folder / "metadata" / "timestamp.json").write_bytes(b"{}")
    with served(fleet.repository.folder) as (url, _):
        board.fails(url)
        board.fails(url)
        (fleet.repository.folder / "metadata" / "timestamp.json").unlink()
        board.fails(url)
        board.fails(url)
    assert not board.place.failures.exists()


def test_a_timer_hears_of_it_in_one_line(board: Looking, command: Command) -> None:
    """It failed by nothing that somebody has to look at once more: exit code 0."""
    state = board.place.folder
    first = command("fleet", "pull", state, "--timer")
    assert first.code == 2
    waiting = command("fleet", "pull", state, "--timer")
    assert (waiting.code, waiting.out) == (0, "")
    (line,) = waiting.err.splitlines()
    assert line.startswith(f"'{NOBODY}' is left alone until ")
    as_json = command("fleet", "pull", state, "--timer", "--json")
    told = json.loads(as_json.out)
    assert (as_json.code, told["updates"], told["waits"]) == (0, [], line)
    assert command("fleet", "pull", state).code == 2
