"""An agent of a fleet's device looks for releases by itself: a process for each look, an entry for what it comes to."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from support.agents import packed
from support.bundles import KEPT, KEPT_ADAPT, compiled, read_manifest
from support.commands import DEVICE as DEVICE_PYTHON
from support.fleet_devices import NO_BOARD, NO_GATES, release_of
from support.fleets import new_fleet
from support.services import PATIENCE, configured, parsed, running
from tbft_agent import pulling
from tbft_agent.adapting.child import Commands, StoppedError
from tbft_agent.clock import SystemClock
from tbft_agent.journal import Journal
from tbft_agent.pulling import Puller
from tbft_agent.settings import read_settings
from tbft_agent.systemd import machine
from tbft_agent.systemd.plan import to_install
from tbft_agent.systemd.unit import memory_max, unit_text
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.join import join
from tbft_fleet.device.place import Place
from tbft_fleet.host.folder import Fleet
from tbft_runtime.systemd.access import Account

NOTHING = json.dumps({"updates": []})
DEVICE = Path("/var/lib/tbft-edge/fleet")
# An agent that does not wait for a minute before its first look.
AT_ONCE = "from tbft_agent import pulling; from tbft_edge.main import main; pulling._FIRST_SECONDS = 0.5; main()"


class Said(Commands):
    """Ends as it is told to, one look after the other."""

    def __init__(self, *ends: str | Exception) -> None:
        super().__init__()
        self.ends, self.ran = list(ends), list[tuple[object, ...]]()

    def run(self, *words: str | Path) -> bytes:
        self.ran.append(words)
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end.encode()


def said(folder: Path, *ends: str | Exception) -> list[str]:
    """What the journal has after looks that ended so."""
    folder.mkdir(exist_ok=True)
    puller, journal = Puller(DEVICE, Path("agent.toml"), 3600), Journal(folder, SystemClock())
    puller._commands, puller._journal = Said(*ends), journal
    for _ in ends:
        puller.look()
    assert all(entry.what == "fleet" for entry in journal.latest(100))
    return [entry.says for entry in journal.latest(100)]


def update(number: int, outcome: str, why: str | None = None) -> str:
    return json.dumps({"current": 1, "updates": [{"release": number, "outcome": outcome, "why": why, "gates": []}]})


def test_what_a_look_comes_to_is_in_the_journal(tmp_path: Path) -> None:
    """And of one that comes to nothing, nothing: there are thousands a year."""
    gone = update(3, "rolled back", "accuracy failed: 20.0%")
    assert said(tmp_path, NOTHING, update(2, "committed"), NOTHING, gone) == [
        "release 2 committed",
        "release 3 rolled back: accuracy failed: 20.0%",
    ]


def test_a_failure_is_said_once_and_its_end(tmp_path: Path) -> None:
    """A server that is left alone for a while was not reached in between."""
    failed, other = TbftError("the server is gone", "wait"), TbftError("expired", "renew")
    waits = json.dumps({"updates": [], "waits": "it is left alone"})
    assert said(tmp_path, failed, failed, waits, failed, other, NOTHING, NOTHING, failed) == [
        "no release can be had: the server is gone",
        "no release can be had: expired",
        "releases can be had again",
        "no release can be had: the server is gone",
    ]


def test_what_nobody_can_read_is_no_end_of_the_agent(tmp_path: Path) -> None:
    (only,) = said(tmp_path, "no JSON at all", StoppedError())
    assert only.startswith("no release can be had: 'fleet pull' says what nobody reads")


def test_it_looks_as_a_timer_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every so often, a part of it by chance, until it is ended; with the agent's own drift."""
    monkeypatch.setattr(pulling, "_FIRST_SECONDS", 0.01)
    puller, commands = Puller(DEVICE, Path("agent.toml"), 0.01), Said(*[NOTHING] * 1000)
    puller._commands = commands
    puller.end()
    puller = Puller(DEVICE, Path("agent.toml"), 0.01)
    puller._commands = commands
    for _ in range(2):
        puller.tell(Journal(tmp_path, SystemClock()))
    ends = time.monotonic() + PATIENCE
    while len(commands.ran) < 3:
        assert time.monotonic() < ends
        time.sleep(0.01)
    puller.end()
    count = len(commands.ran)
    assert commands.ran[0] == ("fleet", "pull", DEVICE, "--timer", "--agent", Path("agent.toml"))
    time.sleep(0.1)
    assert len(commands.ran) == count
    assert "tbft-edge-puller" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return new_fleet(tmp_path / "fleet")


def device(fleet: Fleet, folder: Path, carrier: str) -> Place:
    return join(folder, fleet.root, "pi-7", "porch", carrier, None, NO_BOARD)


def test_an_update_comes_and_answers_without_any_timer(fleet: Fleet, tmp_path: Path) -> None:
    """The whole way, with real processes: the release is taken, the agent begins anew with it, and the pull goes on."""
    place = device(fleet, tmp_path / "device", str(fleet.repository.folder))
    place.releases.folder.mkdir()
    place.link.symlink_to(compiled(KEPT))
    with fleet.held():
        archive = packed(KEPT_ADAPT, tmp_path / "1.tar.gz")
        fleet.repository.publish({release_of(KEPT_ADAPT, 1, NO_GATES): archive})
    file = configured(tmp_path, "[fleet]", f"device = '{place.folder}'", bundle=place.link)
    journal = tmp_path / "state" / "journal.jsonl"
    with running(file, words=[str(DEVICE_PYTHON / "python"), "-c", AT_ONCE, "agent", str(file)]) as agent:
        agent.told.clear()
        agent.wait_for("READY=1")
        ends = time.monotonic() + PATIENCE
        while "release 1 committed" not in journal.read_text():
            assert time.monotonic() < ends, journal.read_text()
            time.sleep(0.2)
        assert agent.end() < PATIENCE
        assert agent.process.returncode == 0
    assert place.current() == 1
    assert read_manifest(place.link).bundle_id == read_manifest(compiled(KEPT_ADAPT)).bundle_id
    assert (place.outbox / "000001").is_dir()


def test_its_service_may_do_what_the_fleet_needs(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's folder is given to its user, and its servers are reached; where a stick comes nobody is."""
    monkeypatch.setattr(machine, "account", lambda: Account(None, None))
    for name, carrier, is_online in (("a", "https://host/fleet/", True), ("b", str(tmp_path / "stick"), False)):
        place = device(fleet, tmp_path / name, carrier)
        file = configured(tmp_path, "[fleet]", f"device = '{place.folder}'", bundle=compiled(KEPT))
        found = read_settings(file)
        here = machine.this_machine(found)
        unit = parsed(unit_text(found, here))
        assert ("IPAddressDeny" in unit["Service"]) != is_online
        assert ("network-online.target" in unit["Unit"].get("After", "")) == is_online
        assert f"-{place.folder}" in unit["Service"]["BindPaths"].splitlines()
        chown = ("chown", "-R", "tbft-edge:tbft-edge", "--", str(place.folder))
        assert chown in [step.run for step in to_install(found, here, tmp_path).steps]
        assert memory_max(found, here) - memory_max(replace(found, device=None), here) > 100 << 20
    file.write_text(file.read_text().replace(str(place.folder), str(tmp_path / "nowhere")))
    with pytest.raises(TbftError, match="no folder of a device"):
        machine.this_machine(read_settings(file))
