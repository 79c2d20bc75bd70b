"""The commands of a fleet's host: what they print, and that bad input ends in one line with nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import Ended, refused
from support.files import listing
from support.fleets import Device, packed_bundle
from support.made_up_fleet import MadeUpDevice
from support.signing import signed_folder
from tbft_fleet.files.waves import bucket

Command = Callable[..., Ended]


@pytest.fixture
def fleet(command: Command, tmp_path: Path) -> Path:
    assert command("fleet", "init", tmp_path / "fleet", "--group", "porch", "--group", "garden").code == 0
    return tmp_path / "fleet"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_bundle(tmp_path_factory.mktemp("made"))


def test_a_fleet_from_nothing_to_a_rollback(command: Command, fleet: Path, archive: Path, tmp_path: Path) -> None:
    """Each command says in JSON what programs go on with."""
    made = json.loads(command("fleet", "release", fleet, archive, "--group", "porch", "--json").out)
    assert (made["number"], made["percent"], made["groups"]) == (1, 1, ["porch"])
    (decided,) = json.loads(command("fleet", "deploy", fleet, "--json").out)["releases"]
    assert (decided["release"], decided["verdict"]) == (1, "wait")
    assert command("fleet", "release", fleet, archive).out == "2\n"
    assert command("fleet", "rollback", fleet, "--to", "1", "--group", "porch").out == "3\n"
    (tmp_path / "pi").mkdir()
    device = Device(tmp_path / "pi", fleet / "repository" / "metadata" / "1.root.json")
    assert device.take(fleet / "repository") == (3, archive.read_bytes())


def test_each_release_that_is_under_way_has_a_line(command: Command, fleet: Path, archive: Path) -> None:
    """And one that a person withdrew is told, with what became of the others before it."""
    for group in ("porch", "garden"):
        assert command("fleet", "release", fleet, archive, "--group", group).code == 0
    assert command("fleet", "deploy", fleet).out == "release 1\twait\t1 %\nrelease 2\twait\t1 %\n"
    assert command("fleet", "deploy", fleet, "--withdraw").out == "release 2\twithdrawn\n"
    ended = command("fleet", "deploy", fleet)
    assert (ended.code, ended.out) == (2, "release 1\twait\t1 %\n")
    assert "0 devices committed" in ended.err
    assert "error: release 2 was withdrawn" in ended.err
    assert command("fleet", "deploy", fleet, "--release", "1").code == 0


def test_a_large_first_wave_is_told(command: Command, fleet: Path, archive: Path, tmp_path: Path) -> None:
    """Of two boards the lower may be at 88: boards that enrol behind the release are no canaries by choice."""
    told = "most boards that enrol now are of it, too"
    assert told not in command("fleet", "release", fleet, archive, "--group", "garden").err
    for name in ("pi-1", "pi-7"):
        assert command("fleet", "enrol", fleet, MadeUpDevice(name).enrolment(tmp_path)).code == 0
    ended = command("fleet", "release", fleet, archive)
    assert (bucket(2, "pi-1"), bucket(2, "pi-7")) == (49, 54)
    assert "goes to 50 %" in ended.err
    assert told not in ended.err
    ended = command("fleet", "release", fleet, archive)
    assert (bucket(3, "pi-1"), bucket(3, "pi-7")) == (62, 56)
    assert "goes to 57 %" in ended.err
    assert told in ended.err


def test_a_bundle_that_nobody_signed_is_told(command: Command, fleet: Path, tmp_path: Path) -> None:
    """Devices with a trust file would refuse it, however well its release is signed."""
    packed_bundle(tmp_path)
    assert "sign the bundle itself" in command("fleet", "release", fleet, tmp_path / "bundle").err
    signed_folder(tmp_path / "bundle")
    again = command("fleet", "release", fleet, tmp_path / "bundle")
    assert again.code == 0
    assert "sign the bundle itself" not in again.err


def test_keys_are_listed_rotated_and_renewed(command: Command, fleet: Path) -> None:
    """The list says which key is where, and warns of what ends soon."""
    (before,) = (
        key for key in json.loads(command("fleet", "keys", "list", fleet, "--json").out) if key["key"] == "online"
    )
    rotated = json.loads(command("fleet", "keys", "rotate", fleet, "online", "--json").out)
    (fleet / "keys" / "root.pem").rename(fleet.parent / "root.pem")
    lines = [line.split("\t") for line in command("fleet", "keys", "renew", fleet).out.splitlines()]
    assert [line[:2] for line in lines] == [["root", "elsewhere"], ["targets", "here"], ["online", "here"]]
    assert lines[2][3] == rotated["id"][:12] != before["ids"][0][:12]
    (fleet / "fleet.toml").write_text((fleet / "fleet.toml").read_text().replace("online = 30", "online = 3"))
    assert "what online signed expires in" in command("fleet", "keys", "renew", fleet).err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("release", "FLEET", "nowhere.tar.gz"), "does not exist"),
        (("release", "FLEET", "ARCHIVE", "--group", "roof"), "'roof' is no group"),
        (("release", "FLEET", "ARCHIVE", "--plan", "none"), "no plan 'none'"),
        (("release", "FLEET", "ARCHIVE", "--expect-id", "0" * 64), "not the one that --expect-id says"),
        (("release", "nowhere", "ARCHIVE"), "is no fleet"),
        (("deploy", "FLEET"), "nothing was released"),
        (("rollback", "FLEET", "--to", "1"), "nothing was released"),
        (("keys", "rotate", "FLEET", "root"), "the key 'root' is not in"),
        (("keys", "rotate", "FLEET", "snapshot"), "'snapshot' is not one of"),
        (("keys", "new", ""), "is no name of a file"),
        (("init", "FLEET"), "fleet' exists already"),
        (("collect", "FLEET", ""), "without a name"),
        (("report", "nowhere"), "is no folder of a device"),
        (("init", "new", "--group", "../x"), "cannot be"),
    ],
)
def test_what_cannot_be_ends_in_one_line(
    command: Command, fleet: Path, archive: Path, arguments: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves everything as it was."""
    (fleet / "keys" / "root.pem").rename(fleet.parent / "root.pem")
    (fleet / ".lock").touch()
    monkeypatch.chdir(fleet.parent)
    before = listing(fleet.parent)
    given = [{"FLEET": str(fleet), "ARCHIVE": str(archive)}.get(each, each) for each in arguments]
    ended = command("fleet", *given)
    assert why in refused(ended).message
    assert ended.err.startswith("error: ")
    assert listing(fleet.parent) == before
