"""What happens to boards and to people while a release goes out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from support.fleet_devices import GOOD, OTHER
from support.pushing import Bed


@pytest.fixture(scope="module")
def running(bed: Bed) -> Bed:
    """Boards that run a release."""
    assert bed.play("enrol").code == 0
    bed.release(GOOD)
    played = bed.play("deploy")
    assert played.code == 0, played.said
    return bed


def newest(bed: Bed) -> int:
    return max(bed.runs().values())


def test_a_canary_that_dies_meanwhile_ends_the_roll_out(running: Bed) -> None:
    """Perhaps the release took it down. The others keep what they run, and with its power back all get the new one."""
    if not running.boards.ports:
        pytest.skip("no board lost its power: no sshd is installed here")
    old = newest(running)
    running.release(OTHER)

    def hear(line: str) -> None:
        if "Verify, stage, switch, gate" in line and "pi1" in running.boards.daemons:
            running.boards.cut("pi1")

    played = running.play("deploy", hear)
    assert played.code != 0
    assert played.recap["pi1"]["unreachable"] == 1, played.said
    assert {name: running.runs()[name] for name in ("pi2", "pi3")} == {"pi2": old, "pi3": old}
    running.boards.start("pi1")
    again = running.play("deploy")
    assert again.code == 0, again.said
    assert running.runs() == dict.fromkeys(running.runs(), old + 1)


def test_two_roll_outs_at_once_end_in_one_release(running: Bed) -> None:
    """One that finds another at work on a board stops there, and says so; the other goes on."""
    wanted = newest(running) + 1
    running.release(GOOD)
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda _: running.play("deploy"), range(2)))
    stopped = [played for played in both if played.code]
    assert len(stopped) < 2, stopped
    assert [played.said for played in stopped if "another 'fleet pull' is at work" not in played.said] == []
    assert running.runs() == dict.fromkeys(running.runs(), wanted)


def test_what_is_released_meanwhile_waits_for_a_canary_of_its_own(running: Bed) -> None:
    """Boards of later waves are given what the canary took."""
    wanted = newest(running) + 1
    running.release(OTHER)
    told = list[str]()

    def hear(line: str) -> None:
        if "Verify, stage, switch, gate" in line and not told:
            told.append(line)
            running.release(GOOD)

    played = running.play("deploy", hear)
    assert played.code == 0, played.said
    assert running.runs() == dict.fromkeys(running.runs(), wanted)
