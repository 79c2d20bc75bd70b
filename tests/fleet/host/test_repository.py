"""A repository is whole at each moment: whoever is killed while it changes, devices take the old or the new."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.fleets import joined, new_fleet, publish
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.keys import private_key
from tbft_fleet.host.folder import Fleet, make_fleet
from tbft_fleet.host.keys import KeyName, signer
from tbft_fleet.host.metadata import Files, now
from tbft_fleet.host.rotation import rotate


class KilledError(Exception):
    """Where a process would have been."""


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return new_fleet(tmp_path / "fleet")


def killed_at(monkeypatch: pytest.MonkeyPatch, step: int, change: Callable[[], object]) -> bool:
    """Do `change`, killed before its write number `step`; whether it was."""
    done = 0
    write = Files.write

    def counted(*arguments: Any) -> None:
        nonlocal done
        if done == step:
            raise KilledError
        done += 1
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Files, "write", counted)
        try:
            change()
        except KilledError:
            return True
    return False


def test_a_new_fleet_keeps_its_keys_to_itself(fleet: Fleet) -> None:
    """And tells devices nothing of them."""
    assert stat.S_IMODE((fleet.folder / "keys").stat().st_mode) == 0o700
    assert {path.name for path in (fleet.folder / "keys").iterdir()} == {"root.pem", "targets.pem", "online.pem"}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in fleet.folder.glob("keys/*")} == dict.fromkeys(
        ["root.pem", "targets.pem", "online.pem"], 0o600
    )
    assert not any(b"PRIVATE" in path.read_bytes() for path in fleet.repository.folder.rglob("*.json"))


def test_a_fleet_is_made_once(fleet: Fleet) -> None:
    """Another one in its place would lose its keys."""
    before = (fleet.folder / "keys" / "root.pem").read_bytes()
    with pytest.raises(TbftError, match="exists already") as caught:
        make_fleet(fleet.folder, ["other"])
    assert caught.value.hint == "choose another folder, or remove it"
    assert (fleet.folder / "keys" / "root.pem").read_bytes() == before


@pytest.mark.parametrize("step", range(3))
def test_a_release_that_is_killed_is_there_or_not(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Between any two of its files; the next one goes on as if nothing had been."""
    publish(fleet, b"one")
    assert killed_at(monkeypatch, step, lambda: publish(fleet, b"killed"))
    assert [release.number for release in fleet.releases()] == [1]
    device = joined(fleet, tmp_path / "pi")
    assert device.take(fleet.repository.folder) == (1, b"one")
    publish(fleet, b"two")
    assert device.take(fleet.repository.folder) == (2, b"two")


@pytest.mark.parametrize("name", ["root", "targets", "online"])
def test_a_rotation_that_is_killed_leaves_nobody_behind(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: KeyName
) -> None:
    """Wherever; devices old and new take releases before it is done again, and after."""
    publish(fleet, b"one")
    old = joined(fleet, tmp_path / "old")
    assert old.take(fleet.repository.folder) == (1, b"one")
    step = 0
    while killed_at(monkeypatch, step, lambda: rotate(fleet.repository, name)):
        assert joined(fleet, tmp_path / f"new-{step}").take(fleet.repository.folder) == (1, b"one")
        assert old.newest(fleet.repository.folder) is None
        step += 1
    assert step == {"root": 1, "targets": 4, "online": 3}[name]
    publish(fleet, b"two")
    assert old.take(fleet.repository.folder) == (2, b"two")
    assert joined(fleet, tmp_path / "new").take(fleet.repository.folder) == (2, b"two")
    assert {path.name for path in fleet.repository.keys.iterdir()} == {"root.pem", "targets.pem", "online.pem"}


def test_a_rotation_killed_before_the_key_takes_its_place_goes_on(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of the new key lies beside the old one, which nobody trusts any more."""
    with monkeypatch.context() as patch:
        patch.setattr("tbft_fleet.host.rotation.signer", _killed_at_call(2))
        with pytest.raises(KilledError):
            rotate(fleet.repository, "root")
    assert publish(fleet).number == 1
    assert {path.name for path in fleet.repository.keys.iterdir()} >= {"root.new.pem", "root.pem"}
    rotate(fleet.repository, "targets")
    assert {path.name for path in fleet.repository.keys.iterdir()} == {"root.pem", "targets.pem", "online.pem"}


def _killed_at_call(number: int) -> Callable[..., Any]:
    calls = 0

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise KilledError
        return signer(*arguments)

    return counted


def test_a_device_follows_rotations_that_it_slept_through(fleet: Fleet, tmp_path: Path) -> None:
    """Two of each key, by the root that it was given when it joined."""
    publish(fleet, b"one")
    device = joined(fleet, tmp_path / "pi")
    for _ in range(2):
        for name in ("root", "targets", "online"):
            rotate(fleet.repository, name)
    publish(fleet, b"two")
    assert device.take(fleet.repository.folder) == (2, b"two")


def test_a_root_key_that_is_elsewhere_is_asked_for(fleet: Fleet, tmp_path: Path) -> None:
    """Releases do without it; a rotation says in one line what it lacks, and changes nothing."""
    key = fleet.repository.keys / "root.pem"
    away = key.rename(tmp_path / "root.pem")
    assert publish(fleet).number == 1
    before = sorted(path.name for path in fleet.folder.rglob("*"))
    for name in ("root", "targets", "online"):
        with pytest.raises(TbftError, match=r"the key 'root' is not in .*root\.pem") as caught:
            rotate(fleet.repository, name)
        assert "bring it back" in caught.value.hint
    assert sorted(path.name for path in fleet.folder.rglob("*")) == before
    away.rename(key)
    rotate(fleet.repository, "targets")
    assert publish(fleet).number == 2


@pytest.mark.parametrize("name", ["targets", "online"])
def test_a_key_that_was_lost_is_replaced(fleet: Fleet, tmp_path: Path, name: KeyName) -> None:
    """The root key alone says who may sign."""
    publish(fleet, b"one")
    device = joined(fleet, tmp_path / "pi")
    (fleet.repository.keys / f"{name}.pem").unlink()
    with pytest.raises(TbftError, match=f"the key '{name}' is not in"):
        publish(fleet)
    rotate(fleet.repository, name)
    assert device.take(fleet.repository.folder) == (1, b"one")
    publish(fleet, b"two")
    assert device.take(fleet.repository.folder) == (2, b"two")


def test_a_key_that_was_rotated_is_worth_nothing_to_the_host(fleet: Fleet, tmp_path: Path) -> None:
    """A thief of it who may also write where devices look would have the new keys sign what he wrote."""
    publish(fleet, b"one")
    stolen = private_key(fleet.repository.keys / "targets.pem")
    rotate(fleet.repository, "targets")
    files = fleet.repository.files
    targets = files.current().targets
    files.write("targets", targets, [stolen])
    with pytest.raises(TbftError, match="is not what the fleet signed") as caught:
        publish(fleet, b"two")
    assert "keys rotate' was killed" in caught.value.hint


def test_a_rotation_that_was_killed_is_done_again_and_nothing_else(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a key that was lost: between the new root and what its key signs."""
    publish(fleet, b"one")
    device = joined(fleet, tmp_path / "pi")
    (fleet.repository.keys / "targets.pem").unlink()
    assert killed_at(monkeypatch, 1, lambda: rotate(fleet.repository, "targets"))
    with pytest.raises(TbftError, match="is not what the fleet signed"):
        publish(fleet, b"two")
    rotate(fleet.repository, "targets")
    publish(fleet, b"two")
    assert device.take(fleet.repository.folder) == (2, b"two")


def test_a_key_of_another_fleet_signs_nothing(fleet: Fleet, tmp_path: Path) -> None:
    """Devices would refuse all of it."""
    other = new_fleet(tmp_path / "other")
    (fleet.repository.keys / "targets.pem").write_bytes((other.repository.keys / "targets.pem").read_bytes())
    with pytest.raises(TbftError, match="does not trust the key"):
        publish(fleet)


@pytest.mark.parametrize(("key", "hint"), [("targets", "keys rotate' with targets"), ("root", "only it can name")])
def test_a_broken_key_is_brought_back(fleet: Fleet, key: KeyName, hint: str) -> None:
    """Or rotated; a pair of keys that somebody makes is none that devices trust."""
    (fleet.repository.keys / f"{key}.pem").write_bytes(b"junk")
    with pytest.raises(TbftError, match="holds no private key") as caught:
        signer(fleet.repository.keys, key, fleet.repository.files.current().root.signed)
    assert hint in caught.value.hint


def test_what_somebody_wrote_into_the_repository_is_not_signed(fleet: Fleet) -> None:
    """A web server that was broken into must not have releases of its own signed with the next one."""
    publish(fleet)
    path = fleet.repository.files.folder / "2.targets.json"
    path.write_text(path.read_text().replace("0.1.0", "0.0.1"))
    with pytest.raises(TbftError, match="is not what the fleet signed"):
        publish(fleet)


def test_an_expired_repository_is_renewed(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the key of snapshot and timestamp alone, as long as the others' time is not half over."""
    publish(fleet, b"one")
    device = joined(fleet, tmp_path / "pi")
    for key in ("root", "targets"):
        (fleet.repository.keys / f"{key}.pem").rename(tmp_path / key)
    later(monkeypatch, 31)
    with pytest.raises(TbftError, match="expired"):
        device.newest(fleet.repository.folder)
    fleet.repository.renew()
    assert device.take(fleet.repository.folder) == (1, b"one")


def test_what_is_half_over_is_renewed_where_its_key_is(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root and targets expire, too, when nothing is released for a year."""
    publish(fleet, b"one")
    device = joined(fleet, tmp_path / "pi")
    later(monkeypatch, 400)
    fleet.repository.renew()
    ends = {each.key: round((each.expires - now()) / timedelta(days=1)) for each in fleet.repository.ends()}
    assert ends == {"root": 400 + 730, "targets": 400 + 365, "online": 400 + 30}
    assert device.take(fleet.repository.folder) == (1, b"one")


def test_below_an_expired_root_nothing_is_signed(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices would take none of it: one line says so, and the root key mends it."""
    later(monkeypatch, 731)
    with pytest.raises(TbftError, match="root metadata of this fleet expired"):
        publish(fleet)
    fleet.repository.renew()
    assert publish(fleet).number == 1


def later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """For host and device."""
    moment = now() + timedelta(days=days)
    for module in ("host.metadata.now", "host.repository.now", "device.client.wall_clock"):
        monkeypatch.setattr(f"tbft_fleet.{module}", lambda: moment)


def test_a_clock_at_the_end_of_calendars_is_told(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No signature can end behind it, and nothing is half-written."""
    for module in ("repository", "metadata"):
        monkeypatch.setattr(f"tbft_fleet.host.{module}.now", lambda: datetime(9999, 12, 1, tzinfo=UTC))
    before = {path: path.read_bytes() for path in fleet.folder.rglob("*.json")}
    for change in (lambda: new_fleet(tmp_path / "other"), fleet.repository.renew):
        with pytest.raises(TbftError, match="clock says 9999-12-01"):
            change()
    assert {path: path.read_bytes() for path in fleet.folder.rglob("*.json")} == before
    assert not (tmp_path / "other").exists()


def test_a_repository_without_root_metadata_says_so(fleet: Fleet) -> None:
    """And asks for no version 0, which never was."""
    fleet.root.unlink()
    with pytest.raises(TbftError, match="metadata' is not what the fleet signed: it has no root metadata"):
        fleet.releases()
