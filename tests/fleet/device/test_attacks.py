"""Whatever a carrier brings, a device takes what its fleet signed, for now, or nothing: one line says why."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Targets

from support.fleets import Device, joined, new_fleet, publish
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.keys import private_key
from tbft_fleet.device.carrier import Folder
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.metadata import now
from tbft_fleet.host.rotation import rotate


@dataclass
class Scene:
    """A fleet with one release, a device that took it, and a copy of the repository as it was then."""

    fleet: Fleet
    device: Device
    before: Path

    @property
    def repository(self) -> Path:
        return self.fleet.repository.folder

    def copy(self, name: str) -> Path:
        """The repository as somebody in between may give it."""
        return Path(shutil.copytree(self.repository, self.fleet.folder.parent / name))

    def refused(self, carrier: Path, device: Device | None = None) -> TbftError:
        with pytest.raises(TbftError) as caught:
            (device or self.device).take(carrier)
        assert "\n" not in caught.value.message
        assert caught.value.hint
        return caught.value


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    fleet = new_fleet(tmp_path / "fleet")
    publish(fleet, b"one")
    device = joined(fleet, tmp_path / "pi")
    assert device.take(fleet.repository.folder) == (1, b"one")
    scene = Scene(fleet, device, tmp_path / "before")
    scene.copy("before")
    return scene


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["timestamp.json", "3.snapshot.json", "3.targets.json"])
def test_a_changed_byte_of_metadata_is_refused(scene: Scene, name: str) -> None:
    """Of each file that a new release needs."""
    publish(scene.fleet, b"two")
    evil = scene.copy("evil")
    flipped(evil / "metadata" / name)
    assert "nothing is taken" in scene.refused(evil).message
    assert scene.device.take(scene.repository) == (2, b"two")


def test_a_changed_byte_of_a_bundle_is_refused(scene: Scene) -> None:
    """And nothing of it stays, so that a good copy is fetched from its beginning."""
    publish(scene.fleet, b"two")
    evil = scene.copy("evil")
    (archive,) = (evil / "targets").glob("*.release-000002.tar.gz")
    flipped(archive)
    assert "its content changed" in scene.refused(evil).message
    assert list((scene.device.folder / "incoming").iterdir()) == []
    assert scene.device.take(scene.repository) == (2, b"two")


def test_an_older_repository_is_refused(scene: Scene) -> None:
    """A rollback: what was signed once is no more good once there is something newer."""
    publish(scene.fleet, b"two")
    scene.device.take(scene.repository)
    scene.device.current = 0
    error = scene.refused(scene.before)
    assert "older metadata than this device saw before" in error.message


def test_what_a_revoked_key_signs_is_refused(scene: Scene, tmp_path: Path) -> None:
    """Also by a device that joined long ago, and never saw the key's end."""
    stolen = private_key(scene.fleet.repository.keys / "targets.pem")
    rotate(scene.fleet.repository, "targets")
    publish(scene.fleet, b"two")
    evil = scene.copy("evil")
    forge(evil, scene.fleet, stolen)
    late = joined(scene.fleet, tmp_path / "late")
    for device in (scene.device, late):
        assert "no key that this fleet trusts" in scene.refused(evil, device).message


def forge(repository: Path, fleet: Fleet, key: CryptoSigner) -> None:
    """The newest targets, but signed by `key`."""
    path = repository / "metadata" / f"{fleet.repository.files.latest('targets')}.targets.json"
    metadata = Metadata[Targets].from_bytes(path.read_bytes())
    metadata.signatures.clear()
    metadata.sign(key)
    path.write_bytes(metadata.to_bytes())


def test_who_has_the_online_key_alone_releases_nothing(scene: Scene) -> None:
    """It lies on the host that renews, which is on a network."""
    publish(scene.fleet, b"two")
    evil = scene.copy("evil")
    forge(evil, scene.fleet, private_key(scene.fleet.repository.keys / "online.pem"))
    assert "no key that this fleet trusts" in scene.refused(evil).message


@pytest.mark.parametrize("name", ["snapshot", "targets"])
def test_files_of_several_states_are_refused(scene: Scene, name: str) -> None:
    """Each was signed, and once all were good: together they never were."""
    publish(scene.fleet, b"two")
    evil = scene.copy("evil")
    newest, older = (evil / "metadata" / f"{version}.{name}.json" for version in (3, 2))
    newest.write_bytes(older.read_bytes())
    assert "older metadata" in scene.refused(evil).message


def test_another_fleet_is_refused(scene: Scene, tmp_path: Path) -> None:
    """Whose root may have the next number, too."""
    other = new_fleet(tmp_path / "other")
    publish(other, b"two")
    rotate(other.repository, "root")
    assert "no key that this fleet trusts" in scene.refused(other.repository.folder).message
    assert scene.device.newest(scene.repository) is None


def test_a_release_cannot_be_given_another_group(scene: Scene) -> None:
    """What it is for is signed with it."""
    publish(scene.fleet, b"two", groups=("garden",))
    evil = scene.copy("evil")
    path = evil / "metadata" / "3.targets.json"
    path.write_text(path.read_text().replace("garden", "porch"))
    assert "no key that this fleet trusts" in scene.refused(evil).message


def test_metadata_without_an_end_are_not_read_to_it(scene: Scene) -> None:
    """A disk, or memory, would be full."""
    publish(scene.fleet, b"two")

    class Endless(Folder):
        def pieces(self, name: str, start: int = 0) -> tuple[int, Iterator[bytes]]:
            return (
                (0, iter(lambda: b" " * 4096, b"")) if name.endswith("timestamp.json") else super().pieces(name, start)
            )

    with pytest.raises(TbftError, match="goes on behind its end"):
        scene.device.newest(Endless(scene.repository))


def test_a_bundle_without_an_end_is_read_to_its_signed_length(scene: Scene) -> None:
    """What lies behind it is not written anywhere."""
    publish(scene.fleet, b"two")
    evil = scene.copy("evil")
    (archive,) = (evil / "targets").glob("*.release-000002.tar.gz")
    archive.write_bytes(b"two" + bytes(1_000_000))
    assert scene.device.take(evil) == (2, b"two")


def test_a_folder_that_is_no_repository_is_told(scene: Scene, tmp_path: Path) -> None:
    """A stick that is not in, or the wrong folder of it."""
    assert "no whole repository of a fleet" in scene.refused(tmp_path / "nowhere").message
    assert "no whole repository of a fleet" in scene.refused(scene.repository / "metadata").message


def test_a_root_that_is_none_is_told(scene: Scene) -> None:
    """Trust cannot begin with it; whose it is, is said."""
    scene.device.root.write_bytes((scene.repository / "metadata" / "timestamp.json").read_bytes())
    assert "is no root metadata of a fleet" in scene.refused(scene.repository).message


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def test_expired_metadata_are_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may keep newer ones from a device for ever."""
    publish(scene.fleet, b"two")
    monkeypatch.setattr("tbft_fleet.device.client.wall_clock", at(now() + timedelta(days=31)))
    error = scene.refused(scene.repository)
    assert "timestamp.json is expired" in error.message
    assert "what runs here goes on running" in error.hint
    assert "keys renew" in error.hint


def test_a_clock_of_1970_is_said_and_does_not_count(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board without a battery takes releases all the same."""
    publish(scene.fleet, b"two")
    monkeypatch.setattr("tbft_fleet.device.client.wall_clock", at(datetime(1970, 1, 1, tzinfo=UTC)))
    assert scene.device.take(scene.repository) == (2, b"two")
    (said,) = scene.device.said
    assert "1970-01-01" in said


def test_a_clock_of_1970_makes_nothing_young_again(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the host signed since then says how late it is at least: an old snapshot is not taken beside it."""
    monkeypatch.setattr("tbft_fleet.host.metadata.now", at(now() + timedelta(days=100)))
    publish(scene.fleet, b"two")
    old = scene.copy("old")
    monkeypatch.setattr("tbft_fleet.host.metadata.now", at(now() + timedelta(days=200)))
    scene.fleet.repository.renew()
    monkeypatch.setattr("tbft_fleet.device.client.wall_clock", at(datetime(1970, 1, 1, tzinfo=UTC)))
    device = joined(scene.fleet, tmp_path / "other")
    assert device.take(scene.repository) == (2, b"two")
    shutil.rmtree(device.folder / "tuf")
    assert "timestamp.json is expired" in scene.refused(old, device).message


def test_a_clock_of_2099_takes_nothing_and_leaves_nothing_behind(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is right again, the device is as before."""
    publish(scene.fleet, b"two")
    with monkeypatch.context() as patch:
        patch.setattr("tbft_fleet.device.client.wall_clock", at(datetime(2099, 1, 1, tzinfo=UTC)))
        error = scene.refused(scene.repository)
        assert "2099-01-01" in error.message
        assert "set this clock if it is wrong" in error.hint
    assert scene.device.take(scene.repository) == (2, b"two")


def test_a_time_of_2099_that_was_signed_is_forgotten_with_its_key(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thief of the key, or a host whose clock was wrong, would switch a fleet off for good."""
    with monkeypatch.context() as patch:
        patch.setattr("tbft_fleet.host.metadata.now", at(datetime(2099, 1, 1, tzinfo=UTC)))
        scene.fleet.repository.renew()
    assert "expired" in scene.refused(scene.repository).message
    with pytest.raises(TbftError, match="this host's clock"):
        publish(scene.fleet, b"two")
    rotate(scene.fleet.repository, "online")
    publish(scene.fleet, b"two")
    assert scene.device.take(scene.repository) == (2, b"two")
