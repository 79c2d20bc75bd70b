"""What is released is a whole bundle, goes out in waves, stops by itself, and is gone back from."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from safetensors.numpy import load_file

from support.bundles import ALL_DRIFTS, compiled
from support.fleets import GARDEN, PORCH, joined, new_fleet, packed_bundle
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.download import fetch
from tbft_fleet.files.release import HIGHEST
from tbft_fleet.files.result import Outcome
from tbft_fleet.files.waves import is_open
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.metadata import now
from tbft_fleet.host.release import Wanted, deploy, deploy_all, release, roll_back, withdraw
from tbft_fleet.merging.delta import laid_over
from tbft_fleet.merging.derive import derive


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return new_fleet(tmp_path / "fleet")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_bundle(tmp_path_factory.mktemp("made"))


Enrol = Callable[..., None]


@pytest.fixture
def enrol(fleet: Fleet) -> Enrol:
    """Write what the host knows of a device."""

    def enrol(name: str, group: str = PORCH, **outcomes: Outcome) -> None:
        at = now().isoformat()
        told = [{"release": int(key[1:]), "outcome": outcome, "why": "why"} for key, outcome in outcomes.items()]
        known = {
            "enrolment": {"device": name, "group": group, "public_key": "", "board": "", "runtime": ""},
            "group": group,
            "enrolled_at": at,
            "heard_at": at,
            "releases": told,
        }
        (fleet.devices / f"{name}.json").write_text(json.dumps(known))

    return enrol


def test_a_release_is_for_all_groups_unless_it_is_said(fleet: Fleet, archive: Path) -> None:
    """And says of its bundle what devices have to know before they fetch it."""
    first = release(fleet, Wanted(archive)).release
    second = release(fleet, Wanted(archive, [GARDEN], "feature-frozen-sgd")).release
    assert [each.number for each in fleet.releases()] == [1, 2]
    assert (first.groups, second.groups) == ((PORCH, GARDEN), (GARDEN,))
    assert fleet.repository.archive(second).read_bytes() == archive.read_bytes()


def test_two_at_once_have_two_numbers(fleet: Fleet, archive: Path) -> None:
    """Who comes later waits; neither is lost."""
    both = [threading.Thread(target=release, args=(fleet, Wanted(archive))) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert [each.number for each in fleet.releases()] == [1, 2]


def test_what_is_no_whole_bundle_is_not_signed(fleet: Fleet, archive: Path, tmp_path: Path) -> None:
    """A device would find out only when it unpacks it."""
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(archive.read_bytes()[:-100])
    for path, plan, group in (
        (broken, None, PORCH),
        (tmp_path, None, PORCH),
        (archive, "no-plan", PORCH),
        (archive, None, "roof"),
    ):
        with pytest.raises(TbftError):
            release(fleet, Wanted(path, [group], plan))
    assert fleet.releases() == ()
    assert list(fleet.repository.archives.iterdir()) == []


def test_waves_open_one_after_the_other(fleet: Fleet, archive: Path, enrol: Enrol) -> None:
    """Of what devices told, until it has come to all."""
    names = [f"pi-{number}" for number in range(8)]
    for name in names:
        enrol(name)
    made = release(fleet, Wanted(archive)).release
    while True:
        assert deploy(fleet).verdict == "wait"
        for name in names:
            if is_open(made, name):
                enrol(name, r1="committed")
        if deploy(fleet).verdict == "through":
            break
        (made,) = fleet.releases()
    assert made.percent == 100
    assert len(deploy(fleet).committed) == 8


def test_a_failed_wave_withdraws_the_release(fleet: Fleet, archive: Path, enrol: Enrol, tmp_path: Path) -> None:
    """Nobody else takes it, and the error names who failed and why."""
    enrol("pi-1")
    enrol("pi-2")
    made = release(fleet, Wanted(archive)).release
    canary = next(name for name in ("pi-1", "pi-2") if is_open(made, name))
    enrol(canary, r1="rolled back")
    with pytest.raises(TbftError, match=f"release 1 is withdrawn .*{canary}: rolled back, why"):
        deploy(fleet)
    for name in ("pi-1", "pi-2"):
        assert joined(fleet, tmp_path / name, id=name).newest(fleet.repository.folder) is None
    with pytest.raises(TbftError, match="was withdrawn"):
        deploy(fleet)


def test_who_had_no_release_withdraws_none(fleet: Fleet, archive: Path, enrol: Enrol) -> None:
    """One enrolled board that lies could end every release. A person decides: it is the board, or the release."""
    enrol("pi-1")
    enrol("pi-2")
    made = release(fleet, Wanted(archive)).release
    liar = next(name for name in ("pi-1", "pi-2") if not is_open(made, name))
    enrol(liar, r1="rolled back")
    with pytest.raises(TbftError, match=f"release 1 is held .*1 device failed .*have not come to {liar}"):
        deploy(fleet)
    assert fleet.releases() == (made,)
    assert withdraw(fleet).number == 1
    assert fleet.releases()[0].percent == 0
    with pytest.raises(TbftError, match="was withdrawn"):
        withdraw(fleet)


def test_each_group_goes_on_with_its_newest_release(fleet: Fleet, archive: Path, enrol: Enrol) -> None:
    """A release for the garden must not leave the porch where it was; one that stops hinders no other."""
    for name, group, told in (("pi-1", PORCH, "committed"), ("pi-2", GARDEN, "rolled back")):
        enrol(name, group, r1="committed", **{"r2" if group == PORCH else "r3": told})
    for number, group in ((1, PORCH), (2, PORCH), (3, GARDEN)):
        release(fleet, Wanted(archive, [group]))
        fleet.repository.set_percent(number, 99)
    (porch,), (garden,) = deploy_all(fleet)
    assert (porch.release, porch.verdict, porch.percent) == (2, "open", 100)
    assert "release 3 is withdrawn" in garden.message
    assert [each.percent for each in fleet.releases()] == [99, 100, 0]
    (porch,), (garden,) = deploy_all(fleet)
    assert (porch.verdict, "was withdrawn" in garden.message) == ("through", True)


def test_a_group_with_a_newer_release_is_not_waited_for(fleet: Fleet, archive: Path, enrol: Enrol) -> None:
    """Its boards take that one, and will never tell of the other; what they told of it counts still."""
    enrol("pi-1", r1="committed")
    enrol("pi-2", GARDEN)
    release(fleet, Wanted(archive))
    release(fleet, Wanted(archive, [GARDEN]))
    fleet.repository.set_percent(1, 100)
    assert deploy(fleet, 1).verdict == "through"
    enrol("pi-2", GARDEN, r1="refused")
    with pytest.raises(TbftError, match=r"release 1 is withdrawn .*pi-2"):
        deploy(fleet, 1)


def test_nobody_is_gone_back_to_what_he_never_had(fleet: Fleet, archive: Path) -> None:
    """It comes to all at once, without a wave: by default only to those whose release is undone."""
    release(fleet, Wanted(archive, [PORCH]))
    release(fleet, Wanted(archive, [PORCH]))
    release(fleet, Wanted(archive, [GARDEN]))
    assert roll_back(fleet, 1).groups == (PORCH,)
    with pytest.raises(TbftError, match="release 1 was for porch, and not for garden"):
        roll_back(fleet, 1, [GARDEN])
    both = release(fleet, Wanted(archive)).release
    for group in (PORCH, GARDEN):
        release(fleet, Wanted(archive, [group]))
    with pytest.raises(TbftError, match="several releases came after 5: 6 for porch, 7 for garden"):
        roll_back(fleet, both.number)
    assert len(fleet.releases()) == 7


def test_a_rollback_is_a_new_release_of_an_old_bundle(fleet: Fleet, archive: Path, tmp_path: Path) -> None:
    """For all of those groups that the bad one was for, at once; a device that took the bad one takes it."""
    device = joined(fleet, tmp_path / "pi")
    release(fleet, Wanted(archive))
    device.current = release(fleet, Wanted(archive, [PORCH])).release.number
    made = roll_back(fleet, 1)
    assert (made.number, made.percent, made.groups) == (3, 100, (PORCH,))
    assert device.take(fleet.repository.folder) == (3, archive.read_bytes())
    assert roll_back(fleet, 1, [GARDEN]).groups == (GARDEN,)


def test_what_cannot_be_gone_back_to_is_told(fleet: Fleet, archive: Path) -> None:
    """Before anything is written."""
    with pytest.raises(TbftError, match="nothing was released"):
        roll_back(fleet, 1)
    release(fleet, Wanted(archive))
    with pytest.raises(TbftError, match="is the newest one"):
        roll_back(fleet, 1)
    with pytest.raises(TbftError, match="there is no release 7"):
        roll_back(fleet, 7)
    with pytest.raises(TbftError, match="there is no release 7"):
        deploy(fleet, 7)
    assert len(fleet.releases()) == 1


def test_behind_the_highest_number_nothing_is_released(fleet: Fleet, archive: Path) -> None:
    """Such as a thief may have used up, who had the host's own folder: no metadata that nobody can read are signed."""
    first = release(fleet, Wanted(archive)).release
    fleet.repository.publish({replace(first, number=HIGHEST): archive})
    for more in (lambda: release(fleet, Wanted(archive)), lambda: roll_back(fleet, 1)):
        with pytest.raises(TbftError, match="has the highest number that there is"):
            more()
    assert [each.number for each in fleet.releases()] == [1, HIGHEST]


def test_of_a_derived_bundle_devices_fetch_what_is_other(fleet: Fleet, tmp_path: Path) -> None:
    """A trained head is a few kB; who lacks the parent takes the whole, and both run the same bundle."""
    parent, child = compiled(ALL_DRIFTS), tmp_path / "child.tar.gz"
    own = load_file(parent / "weights.safetensors")
    derive(open_bundle(parent), {"fc.weight": own["fc.weight"] + 1}, child)
    first = release(fleet, Wanted(parent)).release
    made = release(fleet, Wanted(child))
    assert made.parent == first
    device, fresh = joined(fleet, tmp_path / "pi"), joined(fleet, tmp_path / "fresh")
    device.current, device.bundles = 1, frozenset({first.bundle_id})
    fleet.repository.set_percent(2, 100)
    offer = device.newest(fleet.repository.folder)
    assert offer is not None
    assert offer.bytes < child.stat().st_size / 10
    laid_over(open_bundle(parent), fetch(device.client, offer, tmp_path / "incoming"), tmp_path / "laid")
    number, whole = fresh.take(fleet.repository.folder)
    assert (number, whole) == (2, child.read_bytes())
    assert open_bundle(tmp_path / "laid").manifest.bundle_id == made.release.bundle_id
