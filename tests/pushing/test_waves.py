"""Releases that Ansible carries, in waves behind a canary, and that boards' own gates stop: a story, in its order."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from msgspec.structs import replace

from support.agents import packed
from support.bundles import compiled, read_manifest
from support.fleet_devices import BAD, GOOD, OTHER
from support.pushing import Bed
from tbft_fleet.host.folder import open_fleet

NOTHING = {"changed": 0, "failed": 0, "unreachable": 0}


def counted(bed_recap: dict[str, int]) -> dict[str, int]:
    return {name: bed_recap[name] for name in NOTHING}


def carried(said: str) -> dict[str, tuple[str, ...]]:
    """Of each board the archives that Ansible copied there."""
    found = dict[str, tuple[str, ...]]()
    for name, archive in re.findall(r"changed: \[(\w+)\] => \(item=[0-9a-f]{64}\.(release-\S+)\.tar\.gz\)", said):
        found[name] = (*found.get(name, ()), archive)
    return found


@pytest.fixture(scope="module")
def enrolled(bed: Bed) -> Bed:
    """Boards that belong to the fleet, each with a key of its own."""
    played = bed.play("enrol")
    assert played.code == 0, played.said
    return bed


def test_a_good_release_comes_to_every_board(enrolled: Bed) -> None:
    """And a second time nothing changes anywhere."""
    enrolled.release(GOOD)
    first = enrolled.play("deploy")
    assert first.code == 0, first.said
    assert enrolled.runs() == {"pi1": 1, "pi2": 1, "pi3": 1}
    again = enrolled.play("deploy")
    assert again.code == 0, again.said
    assert {name: counted(again.recap[name]) for name in enrolled.runs()} == dict.fromkeys(enrolled.runs(), NOTHING)


def test_enrolling_again_changes_nothing(enrolled: Bed) -> None:
    """A board that joined keeps its key."""
    again = enrolled.play("enrol")
    assert again.code == 0, again.said
    assert {name: again.recap[name]["changed"] for name in enrolled.runs()} == dict.fromkeys(enrolled.runs(), 0)


def test_a_bad_release_is_stopped_by_the_canary(enrolled: Bed) -> None:
    """It goes back by itself, no other board ever takes the release, and the host learns who refused it and why."""
    enrolled.release(BAD)
    played = enrolled.play("deploy")
    assert played.code != 0
    assert "went back to the release before" in played.said
    assert enrolled.runs() == {"pi1": 1, "pi2": 1, "pi3": 1}
    tried = [name for name in enrolled.runs() if enrolled.boards.last_update(name)["number"] == 2]
    assert len(tried) == 1
    collected = json.loads(enrolled.host("collect", enrolled.fleet, enrolled.fleet / "inbox", "--json").out)
    assert tried[0] in {each["device"] for each in collected["taken"]}


def test_a_bad_release_that_is_deployed_again_is_stopped_there_too(enrolled: Bed) -> None:
    """That the canary has nothing new to take is no success: the next board would be the next to fail."""
    before = {name: enrolled.boards.last_update(name)["number"] for name in enrolled.runs()}
    played = enrolled.play("deploy")
    assert played.code != 0
    assert "release 2 did not stay on this board before" in played.said, played.said
    assert {name: enrolled.boards.last_update(name)["number"] for name in enrolled.runs()} == before


def test_a_board_that_is_off_is_no_canary_and_stops_nothing(enrolled: Bed) -> None:
    """The others take the release, and the one that was off is named."""
    enrolled.release(OTHER)
    images = {name: enrolled.boards.folder / f"images-{name}" for name in enrolled.boards.names}
    enrolled.boards.off = {"pi1"}
    enrolled.boards.inventory(images)
    try:
        played = enrolled.play("deploy")
    finally:
        enrolled.boards.off = set()
        enrolled.boards.inventory(images)
    assert "not reached: pi1" in played.said
    assert enrolled.runs() == {"pi1": 1, "pi2": 3, "pi3": 3}
    assert enrolled.play("deploy").code == 0
    assert enrolled.runs() == {"pi1": 3, "pi2": 3, "pi3": 3}


def test_a_board_is_brought_what_it_lacks_and_nothing_else(enrolled: Bed) -> None:
    """However many releases there were: the newest metadata, and no archive once it is unpacked."""
    repository = enrolled.fleet / "repository"
    assert len([*(repository / "targets").iterdir()]) == 3
    newest = {path.name for path in (repository / "metadata").glob("*.root.json")} | {"timestamp.json"}
    newest |= {
        max((repository / "metadata").glob(f"*.{role}.json"), key=lambda path: int(path.name.partition(".")[0])).name
        for role in ("targets", "snapshot")
    }
    for name in enrolled.runs():
        there = {path for path in (enrolled.boards.state(name).parent / "carried").rglob("*") if path.is_file()}
        assert {path.name for path in there} == newest


def test_boards_train_where_their_images_are(enrolled: Bed) -> None:
    """What comes back is signed by each, and the host takes it."""
    options = ["--epochs", "1", "--threads", "1", "--meter", "none"]
    played = enrolled.play("train", device_task="autumn", device_train_options=options)
    assert played.code == 0, played.said
    enrolled.host("collect", enrolled.fleet, enrolled.fleet / "inbox")
    status = json.loads(enrolled.host("status", enrolled.fleet, "--json").out)
    trained = {each["name"] for each in status["devices"] if each["plan"] is not None}
    assert trained == set(enrolled.runs())
    again = enrolled.play("train", device_task="autumn", device_train_options=options)
    assert {name: again.recap[name]["changed"] for name in enrolled.runs()} == dict.fromkeys(enrolled.runs(), 0)


def test_a_board_that_has_the_parent_is_brought_the_delta(enrolled: Bed) -> None:
    """What one board learned goes to all, in a few bytes."""
    run, made = enrolled.boards.state("pi1") / "runs" / "autumn", enrolled.fleet.with_name("derived.tar.gz")
    enrolled.host("derive", packed(OTHER, enrolled.fleet.with_name("parent.tar.gz")), "--from", run, "--out", made)
    enrolled.host("release", enrolled.fleet, made)
    played = enrolled.play("deploy")
    assert played.code == 0, played.said
    assert enrolled.runs() == dict.fromkeys(enrolled.runs(), 4)
    parent = read_manifest(compiled(OTHER)).bundle_id[:12]
    assert carried(played.said) == dict.fromkeys(enrolled.runs(), (f"release-000004.delta-{parent}",))


def test_where_a_delta_will_not_do_the_whole_bundle_is_brought(enrolled: Bed) -> None:
    """Such as where another version of the program makes other bytes of the parent."""
    fleet, delta = open_fleet(enrolled.fleet), enrolled.fleet.with_name("delta.tar.gz")
    delta.write_bytes(b"no archive")
    with fleet.held():
        first, *_, newest = fleet.releases()
        again = replace(first, number=newest.number + 1)
        fleet.repository.publish(
            {again: fleet.repository.archive(first), replace(again, parent=newest.bundle_id): delta}
        )
    played = enrolled.play("deploy")
    assert played.code == 0, played.said
    assert enrolled.runs() == dict.fromkeys(enrolled.runs(), 5)
    both = (f"release-000005.delta-{newest.bundle_id[:12]}", "release-000005")
    assert carried(played.said) == dict.fromkeys(enrolled.runs(), both)


def test_a_board_takes_nothing_that_changed_on_its_way(enrolled: Bed) -> None:
    """It is refused by the board itself, whatever carried it, and nothing of it stays."""
    enrolled.release("output-frozen")
    copy = enrolled.fleet.with_name("changed")
    shutil.copytree(enrolled.fleet, copy)
    for path in (copy / "repository" / "targets").glob("*release-000006*"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    played = enrolled.play("deploy", device_fleet=str(copy))
    assert played.code != 0
    assert "took nothing: error: nothing is taken from" in played.said
    assert "its content changed" in played.said
    assert enrolled.runs() == dict.fromkeys(enrolled.runs(), 5)
