"""What goes wrong in the middle of a round: it ends with whoever answers, and nothing is lost, or counted twice."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.cables import Cable, cable
from support.rounds_processes import Lab, Process, held, lab, until
from tbft_fleet.device.outbox import waiting
from tbft_fleet.files.round import Round
from tbft_fleet.host.inbox import inbox_of

BOTH = ["pi-0", "pi-1"]


@dataclass
class Wired:
    """Two devices that wait for tasks, of which pi-1 comes by a cable."""

    lab: Lab
    line: Cable
    superlink: Process

    def is_training(self, name: str) -> bool:
        return (self.lab.devices[name].rounds / "work" / "run").exists()

    def results(self) -> dict[str, int]:
        """How many the host took of each device so far."""
        folders = {name: self.lab.world.fleet.results / name for name in BOTH}
        return {name: len([*folder.iterdir()]) if folder.is_dir() else 0 for name, folder in folders.items()}

    def has_begun(self, name: str, before: dict[str, int]) -> bool:
        """Whether a device trains, or has trained, since the host had that many results."""
        return self.is_training(name) or self.results()[name] > before[name]

    def last_round(self, process: Process) -> Round:
        """Of a command that held rounds, and ended well; no result of any device is in two of them."""
        process.child.wait(90)
        assert process.child.returncode == 0, process.text
        rounds = held(self.lab)
        counted = [(part.device, part.counter) for each in rounds for part in each.parts]
        assert len(counted) == len({*counted})
        return rounds[-1]


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    with lab(tmp_path_factory.mktemp("lab"), *BOTH) as found, cable(found.front) as line:
        superlink = found.superlink()
        found.node("pi-0")
        found.node("pi-1", line.port)
        yield Wired(found, line, superlink)


def is_open(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def one_more(before: dict[str, int]) -> dict[str, int]:
    return {name: count + 1 for name, count in before.items()}


def took_part(found: Round) -> list[str]:
    return sorted(part.device for part in found.parts)


def test_a_cable_cut_in_mid_round_delays_its_device_alone(wired: Wired) -> None:
    """Nothing comes through while it trains; its answer does once the cable is in again, and counts once."""
    results = wired.results()
    process = wired.lab.rounds(1, "--epochs", "30", "--timeout", "80")
    until(lambda: wired.is_training("pi-1"), 60, process.text)
    wired.line.cut()
    outbox, before = wired.lab.devices["pi-1"].outbox, wired.line.carried
    until(lambda: len(waiting(outbox)) == 1, 60, wired.lab.nodes["pi-1"].text)
    time.sleep(3)
    assert wired.line.carried <= before + 2 * (1 << 16)
    assert (process.child.poll(), wired.results()["pi-1"]) == (None, results["pi-1"])
    wired.line.mend()
    assert took_part(wired.last_round(process)) == BOTH
    assert wired.results() == one_more(results)


def test_a_superlink_that_is_begun_again_in_mid_round_loses_nothing(wired: Wired) -> None:
    """It and its proxy are killed while devices train: the same round goes on with the one that comes after."""
    results = wired.results()
    process = wired.lab.rounds(1, "--epochs", "300", "--timeout", "80")
    until(lambda: all(wired.has_begun(name, results) for name in BOTH), 60, process.text)
    assert process.child.poll() is None
    assert any(map(wired.is_training, BOTH))
    wired.superlink.end(signal.SIGKILL)
    # What it began ends with it: the next one can have the ports.
    for port in (wired.lab.front, wired.lab.back):
        until(lambda port=port: not is_open(port), 10, f"something still listens at {port}")
    wired.superlink = wired.lab.superlink()
    found = wired.last_round(process)
    assert took_part(found) == BOTH
    assert wired.results() == one_more(results)


def test_a_cable_that_stays_cut_holds_up_no_round(wired: Wired) -> None:
    """The others count at the time that was given; what the device learned comes by another way, once."""
    outbox = wired.lab.devices["pi-1"].outbox
    before, results = {*waiting(outbox)}, wired.results()
    process = wired.lab.rounds(1, "--epochs", "30", "--timeout", "12")
    until(lambda: wired.is_training("pi-1"), 60, process.text)
    wired.line.cut()
    assert took_part(wired.last_round(process)) == ["pi-0"]
    assert "'pi-1' did not answer in 12 s" in process.text
    (late,) = {*waiting(outbox)} - before
    inbox = inbox_of(wired.lab.world.fleet, wired.lab.world.devices)
    assert [inbox.accept(late, "2026-12-01T10:00:00+00:00").is_new for _ in range(2)] == [True, False]
    # The node brings it, too, to a round that is over: nobody takes it, and the next one begins as ever.
    wired.line.mend()
    assert took_part(wired.last_round(wired.lab.rounds(1, "--epochs", "1", "--timeout", "60"))) == BOTH
    assert wired.results() == one_more(one_more(results))
