"""A record that a bad card spoiled is named, and hinders nobody but the device, or the round, that it is of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import Ended
from support.fleets import PORCH, new_fleet, packed_bundle, publish
from support.made_up_fleet import AT, MadeUpDevice
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.node_key import make_node_key
from tbft_fleet.host.devices import Damaged, Devices
from tbft_fleet.host.enrolling import enrol, revoke
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.members import members_of
from tbft_fleet.host.merges import rounds_in
from tbft_fleet.host.metadata import now
from tbft_fleet.host.reading import read_status
from tbft_fleet.host.release import Wanted, release
from tbft_fleet.rounds.admitted import admitted

Command = Callable[..., Ended]


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "junk": lambda path: path.write_bytes(b"\x00" * 4096),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "of another device": lambda path: path.write_bytes(path.read_bytes().replace(b"pi-1", b"pi-9")),
    "a folder": a_folder,
}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """With two devices."""
    made = new_fleet(tmp_path / "fleet")
    for name in ("pi-1", "pi-2"):
        taken(made, MadeUpDevice(name).enrolment(tmp_path))
    return made


def taken(fleet: Fleet, enrolment: Path, *, replace_key: bool = False) -> None:
    devices = Devices(fleet.devices)
    with devices.held():
        enrol(devices, fleet.results, enrolment, AT, group=None, replace_key=replace_key)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_device_hinders_no_other(
    fleet: Fleet, tmp_path: Path, command: Command, damage: Callable[[Path], object]
) -> None:
    """It needs a person, who is told what to do; releases, waves and the others go on."""
    packed_bundle(tmp_path)
    damage(fleet.devices / "pi-1.json")
    assert [device.name for device in Devices(fleet.devices)] == ["pi-2"]
    status = read_status(fleet, now())
    assert [device.name for device in status.devices] == ["pi-2"]
    assert [need.device for need in status.needs if need.kind == "record"] == ["pi-1"]
    assert "cannot be read: pi-1: " in command("fleet", "status", fleet.folder).out
    assert release(fleet, Wanted(tmp_path / "bundle.tar.gz", [PORCH])).release.number == 1
    assert [member.name for member in members_of(fleet.devices, 1)] == ["pi-2"]
    assert admitted(Devices(fleet.devices)) == {}
    with pytest.raises(TbftError, match=r"pi-1\.json") as caught:
        revoke(Devices(fleet.devices), "pi-1", AT)
    assert "enrol --replace" in caught.value.hint or "permissions" in caught.value.hint or "path" in caught.value.hint


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_replace_mends_it(fleet: Fleet, tmp_path: Path, damage: Callable[[Path], object]) -> None:
    """The device begins anew; what was there is put aside, and is no device."""
    damage(fleet.devices / "pi-1.json")
    (fleet.results / "pi-1").mkdir()
    enrolment = MadeUpDevice("pi-1").enrolment(tmp_path)
    with pytest.raises(TbftError, match=r"pi-1\.json"):
        taken(fleet, enrolment)
    taken(fleet, enrolment, replace_key=True)
    assert [type(each).__name__ for each in Devices(fleet.devices).each()] == ["Device", "Device"]
    assert (fleet.devices / "pi-1.json~1").exists()
    assert (fleet.results / "pi-1~1").exists()


def test_a_damaged_node_key_keeps_no_other_out(fleet: Fleet, tmp_path: Path) -> None:
    """Neither from the fleet nor from its SuperLink."""
    keys = {name: make_node_key(tmp_path / f"{name}.key") for name in ("pi-3", "pi-4")}
    taken(fleet, MadeUpDevice("pi-3", node_key=keys["pi-3"]).enrolment(tmp_path))
    path = fleet.devices / "pi-3.json"
    path.write_text(path.read_text().replace("ecdsa-sha2-nistp384 ", "ecdsa-sha2-nistp384 x"))
    taken(fleet, MadeUpDevice("pi-4", node_key=keys["pi-4"]).enrolment(tmp_path))
    assert [*admitted(Devices(fleet.devices))] == ["pi-4"]


def test_a_device_with_a_time_that_is_none_was_never_heard(fleet: Fleet) -> None:
    """Nobody waits for it, and the wave goes on."""
    path = fleet.devices / "pi-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"heard_at": "yesterday"}))
    heard = {member.name: member.heard_at.year for member in members_of(fleet.devices, 1)}
    assert heard == {"pi-1": 1, "pi-2": 2026}
    publish(fleet)
    assert len(read_status(fleet, now()).devices) == 2


@pytest.mark.parametrize("content", [b"", b"junk", b"{}"])
def test_a_damaged_round_hinders_no_release(fleet: Fleet, tmp_path: Path, content: bytes) -> None:
    """It is named; the other rounds are shown."""
    packed_bundle(tmp_path)
    (fleet.merges / "000001").mkdir()
    (fleet.merges / "000001" / "round.json").write_bytes(content)
    assert rounds_in(fleet) == ()
    (need,) = [need for need in read_status(fleet, now()).needs if need.kind == "record"]
    assert "000001/round.json' cannot be read" in need.words
    assert release(fleet, Wanted(tmp_path / "bundle.tar.gz")).release.number == 1


def test_folders_that_cannot_be_read_are_told(fleet: Fleet) -> None:
    """Rounds would vanish from the page, and devices from the fleet."""
    for folder in (fleet.merges, fleet.devices):
        folder.rename(fleet.folder / "away")
        folder.write_bytes(b"")
        with pytest.raises(TbftError, match=f"{folder.name}' cannot be read"):
            read_status(fleet, now())
        folder.unlink()
        (fleet.folder / "away").rename(folder)
    assert not any(isinstance(each, Damaged) for each in Devices(fleet.devices).each())
