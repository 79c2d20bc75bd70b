"""What devices trained by themselves becomes a merge: the newest of each, the liars named, the rest kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from safetensors.numpy import load_file, save

from support.commands import Ended, refused
from support.made_up_fleet import AT, MadeUpDevice
from support.made_up_rounds import World, moved
from tbft_artifacts.archive import opened
from tbft_artifacts.errors import TbftError
from tbft_fleet.files.result import WEIGHTS, Health, Training
from tbft_fleet.files.round import Round
from tbft_fleet.host.inbox import inbox_of
from tbft_fleet.host.merges import merge_file, rounds_in
from tbft_fleet.host.release import Wanted as WantedRelease
from tbft_fleet.host.release import release
from tbft_fleet.merging.derive import derive
from tbft_fleet.rounds.collected import Wanted, merge_collected

Command = Callable[..., Ended]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def told(world: World, device: MadeUpDevice, weights: bytes, images: int = 10, **stated: Any) -> None:
    """Let the host take a training of a device."""
    training = Training(plan=world.plan, images=images, base=stated.pop("base", None), accuracy_after=0.5)
    place = world.folder / f"outbox-{device.name}"
    given = {"bundle_id": world.release.bundle_id, "training": training}
    inbox_of(world.fleet, world.devices).accept(device.result(place, {WEIGHTS: weights}, **given | stated), AT)


def three(world: World, by: float = 1.0) -> list[MadeUpDevice]:
    devices = [world.made_up(f"pi-{number}") for number in range(3)]
    for device in devices:
        told(world, device, moved(world.head(), by))
    return devices


def merged(world: World, said: list[str] | None = None, **wanted: Any) -> Round:
    return merge_collected(world.fleet, Wanted(**wanted), ([] if said is None else said).append)


def distance(world: World, made: Round) -> float:
    """By how much the merge moved every value."""
    tensors = load_file(merge_file(world.fleet, made.number))
    found = np.concatenate([(tensors[name] - value).ravel() for name, value in world.head().items()])
    assert np.ptp(found) < 1e-4
    return float(found.mean())


def derived(world: World, made: Round) -> None:
    """Release the bundle that has a merge."""
    out = world.folder / f"derived-{made.number}.tar.gz"
    with opened(world.archive) as parent:
        derive(parent, load_file(merge_file(world.fleet, made.number)), out)
    number = release(world.fleet, WantedRelease(out, ("porch",))).release.number
    world.fleet.repository.set_percent(number, 100)


def test_the_newest_training_of_each_device_counts(world: World) -> None:
    """By its images; a result of health behind it changes nothing, and devices that trained nothing take no part."""
    devices = three(world)
    told(world, devices[0], moved(world.head(), 3.0), images=20)
    health = devices[0].result(world.folder / "outbox-pi-0", bundle_id=world.release.bundle_id)
    inbox_of(world.fleet, world.devices).accept(health, AT)
    world.made_up("pi-9")
    made = merged(world)
    assert distance(world, made) == pytest.approx(2.0, abs=1e-5)
    assert [(part.device, part.counter, part.images, part.age) for part in made.parts] == [
        ("pi-0", 2, 20, 0),
        ("pi-1", 1, 10, 0),
        ("pi-2", 1, 10, 0),
    ]
    assert (made.number, made.release, made.plan, made.asked) == (1, 1, world.plan, ())
    assert rounds_in(world.fleet) == (made,)
    assert merged(world).number == 2


@pytest.mark.parametrize("rule", ["mean", "trimmed", "median"])
def test_poison_is_named_and_the_rest_merged(world: World, rule: str) -> None:
    """A thousand times as far is refused, a few times as far is cut short; each in one line."""
    devices = three(world)
    told(world, world.made_up("pi-far"), moved(world.head(), 1000.0))
    told(world, world.made_up("pi-some"), moved(world.head(), 20.0))
    said: list[str] = []
    made = merged(world, said, rule=rule)
    assert [part.device for part in made.parts] == [*(device.name for device in devices), "pi-some"]
    assert said[0] == "refused: 'pi-far' moved further than any training does"
    assert said[1:] == ["clipped: 'pi-some' moved further than is usual, and 15.0% of that counts"]
    assert distance(world, made) == pytest.approx({"mean": 1.5, "trimmed": 1.0, "median": 1.0}[rule], abs=1e-4)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"fc.weight": np.float32("nan")}, "'fc.weight' with values that are infinite or no number"),
        ({"fc.bias": None}, "other tensors than the plan trains: 'fc.bias'"),
    ],
)
def test_what_came_past_the_inbox_is_refused_too(
    world: World, weights: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a part of what the plan trains, and a host of an earlier version may have taken anything."""
    three(world)
    monkeypatch.setattr("tbft_fleet.host.inbox.check_weights", lambda *_: None)
    head = world.head() | weights
    full = {name: np.full_like(world.head()[name], value) for name, value in head.items() if value is not None}
    told(world, world.made_up("pi-7"), save(full))
    shaped = save({name: value.reshape(-1, 2) for name, value in world.head().items()})
    told(world, world.made_up("pi-8"), shaped)
    said: list[str] = []
    assert len(merged(world, said).parts) == 3
    assert len(said) == 2
    assert f"refused: 'pi-7' cannot be merged: it has {words}" in said
    assert any(line.startswith("refused: 'pi-8' cannot be merged: it has 'fc.") and "shape" in line for line in said)


def test_a_disk_that_lost_something_is_named(world: World) -> None:
    """Nothing that is not what its device signed is merged."""
    three(world)
    path = world.fleet.results / "pi-1" / "000001" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    said: list[str] = []
    assert [part.device for part in merged(world, said).parts] == ["pi-0", "pi-2"]
    assert "pi-1" in said[0]
    assert "its content changed" in said[0]


def test_a_revoked_device_does_not_count(world: World) -> None:
    three(world)
    world.devices.keep(replace(world.devices.need("pi-1"), revoked_at=AT))
    said: list[str] = []
    assert [part.device for part in merged(world, said).parts] == ["pi-0", "pi-2"]
    assert said == ["refused: 'pi-1' was revoked"]


def test_who_began_with_an_earlier_merge_is_late(world: World) -> None:
    """By the merges that came since; what a device began with is what it says it began with."""
    devices = three(world)
    first = merged(world)
    content = merge_file(world.fleet, first.number).read_bytes()
    for device in devices[:2]:
        told(world, device, moved(load_file(merge_file(world.fleet, 1)), 1.0), base=hashlib.sha256(content).hexdigest())
    made = merged(world)
    assert [part.age for part in made.parts] == [0, 0, 1]
    weights = [1.0, 1.0, 2**-0.5]
    assert distance(world, made) == pytest.approx(np.average([2.0, 2.0, 1.0], weights=weights), abs=1e-5)
    said: list[str] = []
    told(world, devices[2], moved(world.head(), 1.0), base="0" * 64)
    assert len(merged(world, said).parts) == 2
    assert said == ["refused: 'pi-2': it began with weights that are no merge of this fleet"]


def test_who_still_runs_an_earlier_release_is_late(world: World) -> None:
    """Where all that the plan does not train is the same in both; the release knows which merge it brings."""
    devices = three(world)
    derived(world, merged(world))
    (found,) = rounds_in(world.fleet)
    assert found.into == 2
    newest = world.fleet.releases()[-1]
    for device in devices[:2]:
        weights = moved(world.head(), 2.0)
        told(world, device, weights, release=2, bundle_id=newest.bundle_id, health=Health(runtime="0", accuracy=0.9))
    made = merged(world)
    assert (made.release, [part.age for part in made.parts]) == (2, [0, 0, 1])
    earlier = merged(world, release=1)
    assert (earlier.release, [part.device for part in earlier.parts]) == (1, ["pi-0", "pi-1", "pi-2"])
    assert {part.age for part in earlier.parts} == {0}


def test_a_damaged_merge_keeps_no_other_from_its_release(world: World) -> None:
    """A later one that the disk spoiled can be told from no other; what is released is another."""
    three(world)
    first, second = merged(world), merged(world)
    merge_file(world.fleet, second.number).write_bytes(b"junk")
    derived(world, first)
    assert [each.into for each in rounds_in(world.fleet)] == [2, None]


def test_another_network_of_the_same_shapes_does_not_fit(world: World) -> None:
    """What was learned behind other layers means nothing; devices that trained it are named."""
    three(world)
    other = world.folder / "other.tar.gz"
    with opened(world.archive) as parent:
        own = parent.load_weights()
        name = next(name for name in own if name.endswith("weight") and name not in world.head())
        derive(parent, {name: own[name] + np.float32(0.5)}, other)
    made = release(world.fleet, WantedRelease(other, ("porch",))).release
    world.fleet.repository.set_percent(made.number, 100)
    told(world, world.made_up("pi-7"), moved(world.head(), 1.0), release=2, bundle_id=made.bundle_id)
    said: list[str] = []
    assert [part.device for part in merged(world, said).parts] == ["pi-7"]
    assert len(said) == 3
    assert said[0].startswith("refused: 'pi-0' trained release 1, whose classes, or weights that the plan does not")


def test_without_a_training_nothing_is_written(world: World) -> None:
    world.made_up("pi-0")
    with pytest.raises(TbftError, match="no device told of a training of release 1"):
        merged(world)
    assert list(world.fleet.merges.iterdir()) == []


def test_a_real_device_says_what_it_began_with(world: World, command: Command, tmp_path: Path) -> None:
    """Its run began with the merge; the release that brings a merge is told by what gates measured of it."""
    place = world.device("pi-7")
    devices = three(world)
    first, fleet = merged(world), world.fleet.folder
    images, run = tmp_path / "images-pi-7", tmp_path / "run"
    options = ("--data", images, "--out", run, "--epochs", "1", "--from", merge_file(world.fleet, first.number))
    assert command("train", place.bundle(1), *options).code == 0
    assert command("fleet", "report", place.folder, "--run", run).code == 0
    assert command("fleet", "collect", fleet, place.outbox).code == 0
    made = merged(world)
    ages = {part.device: part.age for part in made.parts}
    assert ages == {"pi-7": 0} | {device.name: 1 for device in devices}
    derived(world, made)
    assert command("fleet", "pull", place.folder, "--from", world.fleet.repository.folder).code == 0
    assert command("fleet", "collect", fleet, place.outbox).code == 0
    status = json.loads(command("fleet", "status", fleet, "--json").out)
    row = next(row for row in status["devices"] if row["name"] == "pi-7")
    newest = status["rounds"][0]
    assert (row["release"], newest["into"]) == (2, 2)
    assert row["accuracy_after"] is not None
    assert newest["merged"] == row["accuracy_after"] == status["releases"][0]["mean"]


def test_from_the_command_to_the_page(world: World, command: Command, tmp_path: Path) -> None:
    """One line on stdout, and a row on the page; run folders and a fleet are not mixed."""
    three(world)
    fleet = world.fleet.folder
    done = command("fleet", "merge", "--fleet", fleet)
    assert (done.code, done.out.split("\t")[:4]) == (0, ["merge 1", "release 1", "3 devices", "0 late"])
    assert "fleet derive" in done.err
    again = json.loads(command("fleet", "merge", "--fleet", fleet, "--rule", "median", "--json").out)
    assert (again["number"], again["rule"]) == (2, "median")
    found = json.loads(command("fleet", "status", fleet, "--json").out)
    assert [(each["number"], each["alone"], len(each["devices"])) for each in found["rounds"]] == [
        (2, 0.5, 3),
        (1, 0.5, 3),
    ]
    assert command("fleet", "status", fleet, "--html", tmp_path / "page.html").code == 0
    assert "pi-0" in (tmp_path / "page.html").read_text()
    assert "no run folders" in refused(command("fleet", "merge", tmp_path, "--fleet", fleet)).message
    assert "--fleet FLEET" in refused(command("fleet", "merge", tmp_path, "--out", "a", "--release", "1")).hint
    assert "there is nothing to merge" in refused(command("fleet", "merge", tmp_path)).message
    assert "no release 9" in refused(command("fleet", "merge", "--fleet", fleet, "--release", "9")).message
