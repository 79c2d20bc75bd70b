"""Installing a service a second time: what is as it should be is left alone, and what is not is made so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.systemctl import Systemctl
from tbft_edge.commands.services import carry_out_if
from tbft_runtime.systemd import here
from tbft_runtime.systemd.here import fingerprint
from tbft_runtime.systemd.steps import RELOAD, Plan, Step, carry_out, installation, run_as_root

TIMER, SERVICE = "tbft-edge-x.timer", "tbft-edge-x.service"
TEXTS = {SERVICE: "[Service]\n", TIMER: "[Timer]\n"}
BEGIN = ("systemctl", "enable", "--now", TIMER)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    made = tmp_path / "units"
    made.mkdir()
    return made


@pytest.fixture
def systemctl(units: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    """The only one that is found here."""
    found = Systemctl(tmp_path / "tools", units)
    found.put()
    monkeypatch.setenv("PATH", f"{found.folder}:/usr/bin:/bin")
    return found


def plan(units: Path, texts: dict[str, str] = TEXTS, before: tuple[Step, ...] = ()) -> Plan:
    return installation(TIMER, units, before, texts, [BEGIN], "it stays")


def test_a_second_time_nothing_has_to_be_done(units: Path, systemctl: Systemctl) -> None:
    """Whoever installs on two hundred boards every day begins nothing anew on any of them."""
    assert carry_out(plan(units), run_as_root).steps
    assert systemctl.told() == ["daemon-reload", f"enable --now {TIMER}"]
    assert plan(units).steps == ()
    assert systemctl.told() == []


def test_only_the_unit_that_says_something_else_is_written(units: Path, systemctl: Systemctl) -> None:
    carry_out(plan(units), run_as_root)
    other = "[Timer]\nOnUnitInactiveSec=1d\n"
    found = plan(units, {**TEXTS, TIMER: other}).steps
    assert found == (Step(write=str(units / TIMER), text=other), Step(run=RELOAD), Step(run=BEGIN))


@pytest.mark.parametrize("way", ["stopped", "disabled", "cut before systemd read it", "what it needs is not there"])
def test_what_is_written_and_does_not_run_by_it_is_begun(way: str, units: Path, systemctl: Systemctl) -> None:
    """Somebody stopped it, or the command was killed in the middle; no text has to change for that."""
    carry_out(plan(units), run_as_root)
    if way == "stopped":
        (systemctl.folder / "active" / TIMER).unlink()
    if way == "disabled":
        (systemctl.folder / "enabled" / TIMER).unlink()
    if way == "cut before systemd read it":
        (systemctl.folder / "read" / TIMER).unlink()
    before = (Step(run=("true",)),) if way == "what it needs is not there" else ()
    found = plan(units, before=before).steps
    assert found == (*before, Step(run=RELOAD), Step(run=BEGIN))


def test_without_systemd_all_is_told(units: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks at a plan on another machine, on which such units happen to lie."""
    for name, text in TEXTS.items():
        (units / name).write_text(text)
    monkeypatch.setenv("PATH", "/nowhere")
    assert plan(units).steps == (Step(run=RELOAD), Step(run=BEGIN))


@pytest.mark.parametrize("json_wanted", [False, True])
def test_people_are_told_that_nothing_has_to_be_done(json_wanted: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """And not that --yes would do it."""
    carry_out_if(False, Plan(steps=(), stays="it stays"), json_wanted, "take cron")
    told = capsys.readouterr()
    assert told.err == ""
    if json_wanted:
        assert json.loads(told.out) == {"steps": [], "stays": "it stays", "done": False}
    else:
        assert told.out == "nothing has to be done: it is installed so already, and runs\nit stays\n"


def test_a_fingerprint_is_of_the_program_and_of_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By it a service begins anew where what it read when it began is other now."""
    file = tmp_path / "agent.toml"
    file.write_text("threads = 1\n")
    first = fingerprint(file)
    assert first == fingerprint(file) != fingerprint()
    file.write_text("threads = 2\n")
    second = fingerprint(file)
    assert second != first
    monkeypatch.setattr(here, "distribution", lambda _name: _Installed("tbft_edge/main.py,sha256=other,1\n"))
    assert fingerprint(file) not in (first, second)


class _Installed:
    """What is known of a package; `record` lists its files with their digests."""

    def __init__(self, record: str) -> None:
        self.read_text: Callable[[str], str | None] = {"RECORD": record}.get
