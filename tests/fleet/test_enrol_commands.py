"""Enrolling several at once: all are looked at before the first is taken, and none falls into a group of nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import Ended, refused
from support.made_up_fleet import MadeUpDevice

Command = Callable[..., Ended]


@pytest.fixture
def fleet(command: Command, tmp_path: Path) -> Path:
    assert command("fleet", "init", tmp_path / "fleet", "--group", "porch").code == 0
    return tmp_path / "fleet"


def test_a_group_that_was_mistyped_is_told(command: Command, fleet: Path, tmp_path: Path) -> None:
    """No release would ever be for the board, and nothing would say so."""
    enrolment = MadeUpDevice("pi-1", group="elsewhere").enrolment(tmp_path)
    ended = refused(command("fleet", "enrol", fleet, enrolment))
    assert "'pi-1' says that it is of group 'elsewhere', which is no group" in ended.message
    assert not list((fleet / "devices").glob("*.json"))
    assert command("fleet", "enrol", fleet, enrolment, "--group", "porch").out == "pi-1\tporch\n"
    assert json.loads(command("fleet", "status", fleet, "--json").out)["needs"] == []


def test_a_group_that_was_taken_out_needs_a_person(command: Command, fleet: Path, tmp_path: Path) -> None:
    """Boards in it get nothing any more."""
    command("fleet", "enrol", fleet, MadeUpDevice("pi-1").enrolment(tmp_path))
    settings = fleet / "fleet.toml"
    settings.write_text(settings.read_text().replace("[groups.porch]", "[groups.garden]"))
    found = json.loads(command("fleet", "status", fleet, "--json").out)
    assert [(need["kind"], need["device"]) for need in found["needs"]] == [("group", "pi-1")]
    assert found["devices"][0]["needs"] == ["group"]
    assert "no group of this fleet: pi-1: " in command("fleet", "status", fleet).out


def test_one_that_cannot_be_read_keeps_all_out(command: Command, fleet: Path, tmp_path: Path) -> None:
    """Whoever mends the command gives the same files again."""
    good = MadeUpDevice("pi-1").enrolment(tmp_path)
    assert "does not exist" in refused(command("fleet", "enrol", fleet, good, tmp_path / "missing")).message
    assert not list((fleet / "devices").glob("*.json"))


def test_what_was_taken_before_an_error_is_said(command: Command, fleet: Path, tmp_path: Path) -> None:
    """Also in JSON, to a script that goes on with it."""
    command("fleet", "enrol", fleet, MadeUpDevice("pi-2").enrolment(tmp_path))
    both = [MadeUpDevice(name).enrolment(tmp_path) for name in ("pi-1", "pi-2")]
    ended = command("fleet", "enrol", fleet, *both, "--json")
    assert (ended.code, json.loads(ended.out)) == (2, [{"device": "pi-1", "group": "porch"}])
    assert "another key" in ended.err
