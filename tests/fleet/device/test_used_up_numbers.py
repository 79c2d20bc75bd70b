"""A thief of a fleet's keys cannot end its releases for good: numbers that he used up count until his keys are rotated.

TUF calls the same of its own versions a fast-forward attack.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from support.agents import NO_BOARD
from support.fleet_devices import ACCURATE, BAD, GOOD, OTHER, here, packed, release_of
from support.fleets import Device, joined, new_fleet, publish
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.join import join
from tbft_fleet.device.place import Place
from tbft_fleet.device.repository import repository
from tbft_fleet.device.update import pull
from tbft_fleet.files.release import HIGHEST, Release
from tbft_fleet.host.folder import Fleet, open_fleet
from tbft_fleet.host.keys import signer
from tbft_fleet.host.rotation import rotate

FAR = 100_000_000


def stolen(fleet: Fleet) -> Fleet:
    """The fleet as whoever has its keys `targets` and `online` goes on with it: no version of metadata is above his."""
    evil = open_fleet(Path(shutil.copytree(fleet.folder, fleet.folder.with_name("evil"))))
    (evil.repository.keys / "root.pem").unlink()
    files = evil.repository.files
    for role in ("targets", "snapshot"):
        (files.folder / f"{FAR}.{role}.json").touch()
    current = files.current()
    current.timestamp.signed.version = FAR
    files.write("timestamp", current.timestamp, [signer(evil.repository.keys, "online", current.root.signed)])
    return evil


def add(fleet: Fleet, release: Release, content: bytes) -> None:
    archive = fleet.folder.with_name("archive")
    archive.write_bytes(content)
    with fleet.held():
        fleet.repository.publish({release: archive})


def rotated(fleet: Fleet) -> None:
    for key in ("targets", "online"):
        rotate(fleet.repository, key)  # type: ignore[arg-type]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    fleet = new_fleet(tmp_path / "fleet")
    publish(fleet, b"one")
    return fleet


@pytest.fixture
def device(fleet: Fleet, tmp_path: Path) -> Device:
    found = joined(fleet, tmp_path / "pi")
    assert found.take(fleet.repository.folder) == (1, b"one")
    return found


def test_a_number_that_a_thief_used_up_counts_until_his_keys_are_rotated(fleet: Fleet, device: Device) -> None:
    """Nor do his versions of metadata; a rotation of one key of the two is not enough, as the docs say."""
    evil = stolen(fleet)
    add(evil, replace(fleet.releases()[0], number=HIGHEST, bundle_id="e" * 64), b"evil")
    assert device.take(evil.repository.folder) == (HIGHEST, b"evil")
    publish(fleet, b"two")
    rotate(fleet.repository, "targets")
    with pytest.raises(TbftError, match="older metadata"):
        device.newest(fleet.repository.folder)
    rotate(fleet.repository, "online")
    assert device.take(fleet.repository.folder) == (2, b"two")
    assert [line for line in device.said if f"release {HIGHEST} runs here" in line]
    publish(fleet, b"three")
    assert device.take(fleet.repository.folder) == (3, b"three")
    assert device.newest(fleet.repository.folder) is None
    with pytest.raises(TbftError, match="no key that this fleet trusts"):
        device.newest(evil.repository.folder)


def test_a_number_that_fleet_and_thief_both_used_blocks_one_release(fleet: Fleet, device: Device) -> None:
    """A folder has the number of its release: what runs is never replaced in its place, and the next one is taken."""
    evil = stolen(fleet)
    add(evil, replace(fleet.releases()[0], number=2, bundle_id="e" * 64), b"evil")
    assert device.take(evil.repository.folder) == (2, b"evil")
    rotated(fleet)
    publish(fleet, b"two")
    # The one before is newer than nothing: the device is rid of the thief's.
    assert device.take(fleet.repository.folder) == (1, b"one")
    assert device.take(fleet.repository.folder) == (2, b"two")


def test_without_a_rotation_numbers_count(fleet: Fleet, device: Device) -> None:
    """Whoever has the key `online` alone gives no older release to a device that lost its metadata."""
    publish(fleet, b"two")
    before = Path(shutil.copytree(fleet.repository.folder, fleet.folder.with_name("before")))
    publish(fleet, b"three")
    assert device.take(fleet.repository.folder) == (3, b"three")
    shutil.rmtree(device.folder / "tuf")
    assert device.newest(before) is None


def test_honest_rotations_forget_nothing(fleet: Fleet, device: Device) -> None:
    """New keys sign all releases again: what was withdrawn meanwhile sends no device back to what it had before."""
    publish(fleet, b"two")
    assert device.take(fleet.repository.folder) == (2, b"two")
    fleet.repository.set_percent(2, 0)
    for _ in range(2):
        rotated(fleet)
        assert device.newest(fleet.repository.folder) is None
    assert device.said == []


def board(fleet: Fleet, folder: Path) -> Place:
    return join(folder, fleet.root, "pi-7", "porch", str(fleet.repository.folder), None, NO_BOARD)


def outcomes(place: Place, carrier: Fleet) -> list[tuple[int, str]]:
    """Of the updates that a pull ends, by the real client, and by gates in this process."""
    source = repository(place, str(carrier.repository.folder), lambda _: None, ahead=False)
    ended = pull(place, source, lambda *_: None, lambda _: None, here)
    return [(each.release, each.outcome) for each in ended]


def offer(fleet: Fleet, release: Release, name: str) -> None:
    add(fleet, release, packed(name, fleet.folder.with_name(f"{name}.tar.gz")).read_bytes())


@pytest.mark.parametrize(("name", "gates", "outcome"), [(OTHER, None, "committed"), (BAD, ACCURATE, "rolled back")])
def test_an_update_comes_back_from_a_number_that_a_thief_used_up(
    tmp_path: Path, name: str, gates: object, outcome: str
) -> None:
    """Whether his release passed the gates, or went back: a board of either kind takes the next one, and keeps it."""
    fleet = new_fleet(tmp_path / "fleet")
    offer(fleet, release_of(GOOD, 1), GOOD)
    place = board(fleet, tmp_path / "state")
    assert outcomes(place, fleet) == [(1, "committed")]
    evil = stolen(fleet)
    bad = release_of(name, HIGHEST)
    offer(evil, bad if gates is None else replace(bad, gates=gates), name)
    assert outcomes(place, evil) == [(HIGHEST, outcome)]
    offer(fleet, release_of(OTHER, 2), OTHER)
    with pytest.raises(TbftError, match="older metadata"):
        outcomes(place, fleet)
    rotated(fleet)
    assert outcomes(place, fleet) == [(2, "committed")]
    assert place.current() == 2
    assert outcomes(place, fleet) == []
    offer(fleet, release_of(GOOD, 3), GOOD)
    assert outcomes(place, fleet) == [(3, "committed")]
    assert place.releases.numbers() == [2, 3]
