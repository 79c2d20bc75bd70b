"""From a device's report to the fleet's page, by the commands that people and scripts give."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from support.agents import packed
from support.bundles import compiled
from support.commands import Ended, refused
from support.fleet_devices import NO_BOARD
from support.hostile import EVIL, unseen
from support.made_up_fleet import MadeUpDevice
from tbft_fleet.device.join import join
from tbft_fleet.device.outbox import put
from tbft_fleet.device.place import Place
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import Health, Update
from tbft_fleet.host.folder import Fleet, make_fleet
from tbft_fleet.host.release import Wanted, release

Command = Callable[..., Ended]
BUNDLE = "output-frozen"


@dataclass(frozen=True)
class World:
    """A fleet with a release for all, and a device that runs it."""

    fleet: Fleet
    release: Release
    place: Place


@pytest.fixture
def world(tmp_path: Path, squares: Path) -> World:
    fleet = make_fleet(tmp_path / "fleet", ["porch"])
    published = release(fleet, Wanted(packed(BUNDLE, tmp_path / "bundle.tar.gz"))).release
    with fleet.held():
        fleet.repository.set_percent(published.number, 100)
    place = join(tmp_path / "state", fleet.root, "pi-7", "porch", str(fleet.repository.folder), squares, NO_BOARD)
    shutil.copytree(compiled(BUNDLE), place.bundle(published.number))
    (place.releases.place(published.number) / "release.json").write_bytes(msgspec.json.encode(published))
    place.releases.point(published.number)
    place.mend_link()
    return World(fleet, published, place)


def test_from_a_report_to_the_page(world: World, command: Command, tmp_path: Path) -> None:
    """A device measures itself on its own images, signs, is carried, and stands on the page."""
    place, fleet = world.place, world.fleet.folder
    assert command("fleet", "enrol", fleet, world.place.enrolment).out == "pi-7\tporch\n"
    told = command("fleet", "report", place.folder)
    assert (told.code, told.out) == (0, f"{place.outbox / '000001'}\n")
    taken = command("fleet", "collect", fleet, place.outbox)
    assert (taken.code, taken.out, taken.err) == (0, "pi-7\t1\n", "1 result taken, 0 already there, 0 refused\n")
    again = command("fleet", "collect", fleet, place.outbox, "--json")
    assert (again.code, json.loads(again.out)) == (0, {"taken": [], "already_there": 1, "refused": []})
    (row,) = json.loads(command("fleet", "status", fleet, "--json").out)["devices"]
    assert (row["state"], row["release"], row["signed"]) == ("running", 1, True)
    assert 0 <= row["accuracy_after"] <= 1
    page = tmp_path / "page.html"
    assert command("fleet", "status", fleet, "--html", page).code == 0
    assert "pi-7" in page.read_text()
    shown = command("fleet", "status", fleet).out
    assert shown.startswith("1 device: 1 running their release, 0 behind")
    assert "pi-7" in shown


def test_an_update_is_told(world: World, command: Command, tmp_path: Path) -> None:
    """A device that takes the release by itself says so, and counts as one that took it."""
    fleet, source = world.fleet.folder, str(world.fleet.repository.folder)
    place = join(tmp_path / "other", world.fleet.root, "pi-8", "porch", source, None, NO_BOARD)
    command("fleet", "enrol", fleet, place.enrolment)
    assert command("fleet", "pull", place.folder).code == 0
    assert command("fleet", "collect", fleet, place.outbox).out == "pi-8\t1\n"
    found = json.loads(command("fleet", "status", fleet, "--json").out)
    assert (found["counts"]["running"], found["releases"][0]["took"]) == (1, 1)


def test_a_run_is_told_with_its_weights(world: World, command: Command, squares: Path, tmp_path: Path) -> None:
    """What it changed, and nothing of its images or paths; the host takes it as what the release's plan trains."""
    run, fleet = tmp_path / "run", world.fleet.folder
    options = ("--data", squares, "--out", run, "--drift", "output", "--epochs", "1")
    assert command("train", world.place.bundle(1), *options).code == 0
    command("fleet", "enrol", fleet, world.place.enrolment)
    assert command("fleet", "report", world.place.folder, "--run", run).code == 0
    folder = world.place.outbox / "000001"
    assert sorted(path.name for path in folder.iterdir()) == ["result.dsse.json", "weights.safetensors"]
    assert str(tmp_path).encode() not in b"".join(path.read_bytes() for path in folder.iterdir())
    assert command("fleet", "collect", fleet, world.place.outbox).code == 0
    (row,) = json.loads(command("fleet", "status", fleet, "--json").out)["devices"]
    assert row["plan"] == "output-frozen-sgd"
    assert row["accuracy_before"] is not None


def test_images_that_cannot_be_read_leave_the_rest(world: World, command: Command) -> None:
    """The board's state is told all the same, and why there is no accuracy."""
    settings = world.place.settings
    settings.write_text(settings.read_text().replace("squares.npz", "nowhere.npz"))
    told = command("fleet", "report", world.place.folder, "--json")
    assert told.code == 0
    assert "accuracy is not known: " in told.err
    assert Path(json.loads(told.out)["result"]).is_dir()


def test_a_run_of_another_bundle_is_refused(world: World, command: Command, squares: Path, tmp_path: Path) -> None:
    """Its weights mean nothing in the release; nothing is signed."""
    run = tmp_path / "run"
    options = ("--data", squares, "--out", run, "--epochs", "0", "--drift", "feature")
    assert command("train", compiled("feature-adapt"), *options).code == 0
    assert "not the one that" in refused(command("fleet", "report", world.place.folder, "--run", run)).message
    assert not world.place.outbox.exists()


def test_what_a_script_can_tell_by_the_exit_code(world: World, command: Command, tmp_path: Path) -> None:
    """One bad device stops nothing; where nothing at all could be taken, something is wrong with the carrier."""
    fleet, stick = world.fleet.folder, tmp_path / "stick"
    command("fleet", "enrol", fleet, world.place.enrolment)
    stick.mkdir()
    assert command("fleet", "collect", fleet, stick).code == 0
    MadeUpDevice("pi-9").result(stick / "pi-9", bundle_id=world.release.bundle_id)
    bad = command("fleet", "collect", fleet, stick)
    assert (bad.code, bad.out) == (2, "")
    assert "'pi-9', which is not enrolled" in bad.err
    put(world.place, Health(runtime="0.1.0"))
    assert command("fleet", "collect", fleet, stick, world.place.outbox).code == 0
    assert "is no folder" in refused(command("fleet", "collect", fleet, tmp_path / "nowhere")).message


def test_a_revoked_device_tells_nothing_any_more(world: World, command: Command) -> None:
    fleet = world.fleet.folder
    command("fleet", "enrol", fleet, world.place.enrolment)
    put(world.place, Health(runtime="0.1.0"))
    assert command("fleet", "keys", "revoke", fleet, "pi-7").out == "pi-7\n"
    assert "was revoked" in command("fleet", "collect", fleet, world.place.outbox).err
    assert "1 revoked" in command("fleet", "status", fleet).out
    assert "no device 'pi-8'" in refused(command("fleet", "keys", "revoke", fleet, "pi-8")).message


def test_a_group_that_there_is_not_is_refused(world: World, command: Command) -> None:
    assert (
        "'barn' is no group"
        in refused(command("fleet", "enrol", world.fleet.folder, world.place.enrolment, "--group", "barn")).message
    )
    assert command("fleet", "enrol", world.fleet.folder, world.place.enrolment, "--group", "porch", "--json").code == 0


def test_hostile_words_of_a_device_are_harmless(world: World, command: Command, tmp_path: Path) -> None:
    """Of its updates and versions, of folders on a stick, and of a name that it gave itself."""
    fleet, stick = world.fleet.folder, tmp_path / f"stick{EVIL}"
    command("fleet", "enrol", fleet, world.place.enrolment)
    health = Health(runtime=EVIL, throttled=True)
    put(world.place, health, update=Update(release=1, outcome="rolled back", why=EVIL * 10))
    world.place.outbox.rename(stick)
    MadeUpDevice("pi-9").result(stick / "x", bundle_id=world.release.bundle_id)
    page = tmp_path / "page.html"
    said = [
        command("fleet", "collect", fleet, stick),
        command("fleet", "collect", fleet, stick, "--json"),
        command("fleet", "status", fleet),
        command("fleet", "status", fleet, "--json"),
        command("fleet", "status", fleet, "--html", page),
    ]
    assert [ended.code for ended in said] == [0] * 5
    assert [unseen(ended.out + ended.err) for ended in said] == [[]] * 5
    assert unseen(page.read_text()) == []
    assert json.loads(said[3].out)["devices"][0]["runtime"] == EVIL
