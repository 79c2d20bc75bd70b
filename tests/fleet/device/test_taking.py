"""A device takes the newest release that is for it, whoever carries it, and looks at nothing that it does not need."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fleets import GARDEN, PORCH, joined, new_fleet, publish, served
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.carrier import Folder, Http, carrier_of
from tbft_fleet.device.download import fetch
from tbft_fleet.files.waves import bucket
from tbft_fleet.host.folder import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return new_fleet(tmp_path / "fleet")


def test_the_newest_release_is_taken_from_a_folder(fleet: Fleet, tmp_path: Path) -> None:
    """A stick is all that is needed; the same again has nothing new."""
    publish(fleet, b"one")
    publish(fleet, b"two")
    device = joined(fleet, tmp_path / "pi")
    assert device.take(fleet.repository.folder) == (2, b"two")
    assert device.newest(fleet.repository.folder) is None
    assert device.said == []


def test_the_newest_release_is_taken_from_a_server(fleet: Fleet, tmp_path: Path) -> None:
    """Any static one, by the same files."""
    publish(fleet, b"one")
    device = joined(fleet, tmp_path / "pi")
    with served(fleet.repository.folder) as (url, asked):
        assert device.take(carrier_of(url.removesuffix("/"))) == (1, b"one")
        assert device.newest(Http(url)) is None
    (fetched,) = (each.path for each in asked if each.path.startswith("/targets"))
    assert fetched.endswith("release-000001.tar.gz")


def test_a_fleet_without_a_release_has_none(fleet: Fleet, tmp_path: Path) -> None:
    """Nothing new is no error."""
    assert joined(fleet, tmp_path / "pi").newest(fleet.repository.folder) is None


def test_a_release_for_another_group_is_not_taken(fleet: Fleet, tmp_path: Path) -> None:
    """Neither found, nor fetched by whoever asks for it all the same."""
    publish(fleet, groups=(GARDEN,))
    device, other = joined(fleet, tmp_path / "pi"), joined(fleet, tmp_path / "other", group=GARDEN)
    assert device.newest(fleet.repository.folder) is None
    offer = other.newest(fleet.repository.folder)
    assert offer is not None
    with pytest.raises(TbftError, match=f"it is for {GARDEN}, and this device is of {PORCH}") as caught:
        fetch(device.client, offer, tmp_path / "incoming")
    assert "\n" not in caught.value.message + caught.value.hint
    assert not (tmp_path / "incoming").exists()


def test_a_wave_is_for_those_in_it(fleet: Fleet, tmp_path: Path) -> None:
    """Others keep what they have, or take an older release that has come to all."""
    publish(fleet, b"for all")
    made = publish(fleet, b"for few", percent=50)
    names = [f"pi-{number}" for number in range(10)]
    taken = {name: joined(fleet, tmp_path / name, id=name).take(fleet.repository.folder) for name in names}
    assert {name for name, (number, _) in taken.items() if number == 2} == {
        name for name in names if bucket(made.number, name) < 50
    }
    assert {number for number, _ in taken.values()} == {1, 2}


def test_what_was_refused_is_not_offered_again_and_told_until_a_newer_one_is_there(
    fleet: Fleet, tmp_path: Path
) -> None:
    """A release that did not pass its gates would be fetched and tried at each look."""
    publish(fleet)
    publish(fleet, delta=("a" * 64, b"delta"))
    device = joined(fleet, tmp_path / "pi")
    device.current, device.refused = 1, frozenset({2})
    assert device.newest(fleet.repository.folder) is None
    assert device.said == ["release 2 is not taken: it did not pass on this device before"]
    publish(fleet, percent=0)
    assert device.newest(fleet.repository.folder) is None
    assert device.said[1:] == ["release 3 is not taken: the host withdrew it"]
    publish(fleet, groups=(GARDEN,))
    publish(fleet, b"five")
    assert device.take(fleet.repository.folder) == (5, b"five")
    assert device.newest(fleet.repository.folder) is None
    assert len(device.said) == 2


def test_what_the_host_withdrew_is_known_also_where_it_runs(fleet: Fleet, tmp_path: Path) -> None:
    """On trial it is what runs, and no longer looked for."""
    publish(fleet, percent=100)
    publish(fleet, percent=100)
    device = joined(fleet, tmp_path / "pi")
    device.current = 2
    assert not device.withdrew(fleet.repository.folder, 2)
    with fleet.held():
        fleet.repository.set_percent(2, 0)
    assert device.withdrew(fleet.repository.folder, 2)
    assert not device.withdrew(fleet.repository.folder, 1)


def test_a_release_for_a_newer_runtime_is_passed_over(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and the newest that can be taken is."""
    publish(fleet, b"old")
    monkeypatch.setattr("tbft_fleet.files.release.installed_version", lambda: "99.0.0")
    publish(fleet, b"new", minimum_runtime="99.0.0", delta=("a" * 64, b"delta"))
    monkeypatch.undo()
    device = joined(fleet, tmp_path / "pi")
    assert device.take(fleet.repository.folder) == (1, b"old")
    (said,) = device.said
    assert "release 2 is not taken" in said
    assert "99.0.0" in said


def test_a_delta_is_taken_where_its_parent_lies(fleet: Fleet, tmp_path: Path) -> None:
    """Few bytes instead of all; who lacks the parent takes the whole."""
    parent = "a" * 64
    publish(fleet, b"the whole bundle", delta=(parent, b"delta"))
    device, fresh = joined(fleet, tmp_path / "pi"), joined(fleet, tmp_path / "fresh")
    device.bundles = frozenset({parent})
    assert device.take(fleet.repository.folder) == (1, b"delta")
    assert fresh.take(fleet.repository.folder) == (1, b"the whole bundle")


def test_a_url_of_another_kind_is_refused() -> None:
    """Rather than taken for a folder of an odd name."""
    assert carrier_of("/media/stick") == Folder(Path("/media/stick"))
    assert carrier_of("https://host/fleet") == Http("https://host/fleet/")
    with pytest.raises(TbftError, match="ftp"):
        carrier_of("ftp://host/fleet")
