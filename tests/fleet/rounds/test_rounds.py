"""Rounds as a host holds them: whoever answers counts, whoever lies does not, and each begins with the last merge."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load, save

from support.agents import packed
from support.made_up_rounds import HEAD, Behaviour, MemoryLink, World, answer, learner, moved, task_of
from tbft_artifacts.errors import TbftError
from tbft_fleet.files.round import Round
from tbft_fleet.host.merges import next_number
from tbft_fleet.host.release import Wanted as WantedRelease
from tbft_fleet.host.release import release
from tbft_fleet.rounds.parcel import Parcel
from tbft_fleet.rounds.rounds import Wanted, rounds_of
from tbft_fleet.rounds.tasks import verify_task


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Held:
    """What came of rounds with devices that behave so, and what was said meanwhile."""

    def __init__(self, world: World, behaviours: dict[str, Behaviour], **wanted: Any) -> None:
        self.link, self.said = MemoryLink(behaviours), list[str]()
        given = {"rounds": 1, "epochs": 2, "plan": None, "rule": "mean", "seconds": 10}
        asked = Wanted(**given | wanted)
        with rounds_of(world.fleet, self.link, asked, self.said.append) as rounds:  # type: ignore[arg-type]
            self.rounds = list(rounds.hold())
        self.merges = [
            load((world.fleet.merges / f"{each.number:06}" / "merge.safetensors").read_bytes()) for each in self.rounds
        ]


def is_moved(merge: dict[str, np.ndarray], world: World, by: float) -> bool:
    return all(np.allclose(merge[name], value + by, atol=1e-5) for name, value in world.head().items())


def test_rounds_build_on_each_other(world: World) -> None:
    """The first begins with the release, and each other one with the merge before; tasks count up and are signed."""
    devices = {name: world.made_up(name) for name in ("pi-0", "pi-1")}
    held = Held(world, {name: learner(world, each, 1.0) for name, each in devices.items()}, rounds=2)
    assert [is_moved(merge, world, by) for merge, by in zip(held.merges, (1.0, 2.0), strict=True)] == [True, True]
    tasks = [verify_task(parcel, [world.signer.public_key]) for parcel in held.link.sent]
    assert [asked.task.number for asked in tasks] == [1, 1, 2, 2]
    assert {asked.task.groups for asked in tasks} == {("porch",)}
    assert all(asked.task.expires is not None for asked in tasks)
    assert [asked.base is None for asked in tasks] == [True, True, False, False]
    assert load(tasks[-1].base or b"").keys() == set(HEAD)
    first = held.rounds[0]
    assert first.asked == ("pi-0", "pi-1")
    assert [part.device for part in first.parts] == ["pi-0", "pi-1"]
    assert first.bytes == sum(value.nbytes for value in world.head().values())
    assert (first.model_bytes or 0) > first.bytes
    record = world.fleet.merges / "000001" / "round.json"
    assert msgspec.json.decode(record.read_bytes(), type=Round) == first
    again = Held(world, {name: learner(world, each, 1.0) for name, each in devices.items()})
    assert again.rounds[0].number == 3


def test_a_round_may_begin_with_an_earlier_merge(world: World) -> None:
    """Where a host was ended between two rounds."""
    device = world.made_up("pi-0")
    base = world.folder / "base.safetensors"
    base.write_bytes(moved(world.head(), 5.0))
    held = Held(world, {"pi-0": learner(world, device, 1.0)}, base=base)
    assert is_moved(held.merges[0], world, 6.0)


def test_a_key_that_the_superlink_refuses_ends_no_round(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its device is named, and what to do there."""
    monkeypatch.setattr(MemoryLink, "admit", lambda *_: ("pi-9",))
    held = Held(world, {"pi-0": learner(world, world.made_up("pi-0"), 1.0)})
    assert len(held.rounds) == 1
    assert any("does not take the key of 'pi-9'" in line for line in held.said)


def test_who_is_silent_or_refuses_is_left_out(world: World) -> None:
    """The others count; both are named."""

    def refuse(*_: object) -> Parcel:
        raise TbftError("the task is for another bundle", "")

    devices = {name: world.made_up(name) for name in ("pi-0", "pi-1", "pi-2")}
    behaviours: dict[str, Behaviour] = {
        "pi-0": learner(world, devices["pi-0"], 1.0),
        "pi-1": lambda *_: None,
        "pi-2": refuse,
    }
    held = Held(world, behaviours)
    assert [part.device for part in held.rounds[0].parts] == ["pi-0"]
    assert is_moved(held.merges[0], world, 1.0)
    assert any("'pi-1' did not answer in 10 s" in words for words in held.said)
    assert any("'pi-2' did not take part: the task is for another bundle" in words for words in held.said)


def poisoned(world: World, device: Any, weights: bytes) -> Behaviour:
    return lambda _, parcel: answer(world, device, task_of(parcel, world.signer.public_key).id, weights, 10_000)


@pytest.mark.parametrize("rule", ["mean", "trimmed", "median"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [("norm", "moved further than any training does"), ("nan", "infinite or no number"), ("shape", "of shape (2,)")],
)
def test_poison_is_refused(world: World, kind: str, said: str, rule: str) -> None:
    """An update a thousand times as long, one of no numbers, and one of another shape move nothing, and are named."""
    weights = {
        "norm": moved(world.head(), 1000.0),
        "nan": save({name: np.full_like(value, np.nan) for name, value in world.head().items()}),
        "shape": save({**world.head(), "fc.bias": np.zeros(2, np.float32)}),
    }[kind]
    devices = {name: world.made_up(name) for name in ("pi-0", "pi-1", "pi-2", "pi-3")}
    behaviours = {name: learner(world, each, 1.0) for name, each in devices.items()}
    behaviours["pi-3"] = poisoned(world, devices["pi-3"], weights)
    held = Held(world, behaviours, rule=rule)
    assert [part.device for part in held.rounds[0].parts] == ["pi-0", "pi-1", "pi-2"]
    assert is_moved(held.merges[0], world, 1.0)
    assert [words for words in held.said if words.startswith("refused: ") and "pi-3" in words and said in words]


@pytest.mark.parametrize("rule", ["trimmed", "median"])
def test_a_liar_of_usual_size_is_outvoted(world: World, rule: str) -> None:
    """One that moves the other way, and claims a thousand times as many images."""
    devices = {name: world.made_up(name) for name in ("pi-0", "pi-1", "pi-2", "pi-3")}
    behaviours = {name: learner(world, each, 1.0) for name, each in devices.items()}
    behaviours["pi-3"] = poisoned(world, devices["pi-3"], moved(world.head(), -2.0))
    held = Held(world, behaviours, rule=rule)
    assert len(held.rounds[0].parts) == 4
    assert is_moved(held.merges[0], world, 1.0)


def test_a_liar_weighs_no_more_than_three_in_a_mean(world: World) -> None:
    """One of four that moves the other way and claims a billion images: 3 of 6 parts, where it had all of it."""
    devices = {name: world.made_up(name) for name in ("pi-0", "pi-1", "pi-2", "pi-3")}
    behaviours = {name: learner(world, each, 1.0) for name, each in devices.items()}
    lie = moved(world.head(), -1.0)
    behaviours["pi-3"] = lambda _, parcel: answer(
        world, devices["pi-3"], task_of(parcel, world.signer.public_key).id, lie, 10**9
    )
    held = Held(world, behaviours)
    assert is_moved(held.merges[0], world, (3 * 1.0 - 3 * 1.0) / 6)


def test_nobody_answers_for_another_device_or_task(world: World) -> None:
    """A node that sends on what another signed, one that sends an old answer, and one that is revoked."""
    devices = {name: world.made_up(name) for name in ("pi-0", "pi-1", "pi-2", "pi-3")}
    old = answer(world, devices["pi-2"], "0" * 32, moved(world.head(), 9.0))
    behaviours: dict[str, Behaviour] = {
        "pi-0": learner(world, devices["pi-0"], 1.0),
        "pi-1": learner(world, devices["pi-0"], 9.0),
        "pi-2": lambda *_: old,
        "pi-3": learner(world, devices["pi-3"], 9.0),
    }
    world.devices.keep(msgspec.structs.replace(world.devices.need("pi-3"), revoked_at="2026-12-01"))
    held = Held(world, behaviours)
    assert held.rounds[0].asked == ("pi-0", "pi-1", "pi-2")
    assert is_moved(held.merges[0], world, 1.0)
    assert any("the answer of 'pi-1' is by none" in words for words in held.said)
    assert any("'pi-2' answered another task" in words for words in held.said)


def test_an_answer_of_another_bundle_does_not_count(world: World) -> None:
    """Such as of a device that took another release while it trained, whose weights mean something else."""
    other = packed("kept", world.folder / "other.tar.gz")
    newer = release(world.fleet, WantedRelease(other, ("porch",))).release
    world.fleet.repository.set_percent(newer.number, 0)
    devices = {name: world.made_up(name) for name in ("pi-0", "pi-1")}

    def changed(_: str, parcel: Parcel) -> Parcel:
        asked = task_of(parcel, world.signer.public_key).id
        return answer(
            world, devices["pi-1"], asked, moved(world.head(), 9.0), release=newer.number, bundle_id=newer.bundle_id
        )

    held = Held(world, {"pi-0": learner(world, devices["pi-0"], 1.0), "pi-1": changed})
    assert [part.device for part in held.rounds[0].parts] == ["pi-0"]
    assert any("'pi-1' answered of bundle" in words for words in held.said)


def test_numbers_of_tasks_are_given_once(world: World) -> None:
    """Also to two commands at once; where the file is damaged nobody guesses, since devices remember."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: next_number(world.fleet), range(40)))
    assert sorted(found) == list(range(1, 41))
    (world.fleet.folder / "rounds" / "number").write_bytes(b"\0\0")
    with pytest.raises(TbftError, match="the number of the last task"):
        next_number(world.fleet)


def test_a_round_without_a_merge_is_none(world: World) -> None:
    """The command fails, and nothing is written."""
    world.made_up("pi-0")
    with pytest.raises(TbftError, match="no round came to a merge"):
        Held(world, {"pi-0": lambda *_: None}, rounds=2)
    assert list(world.fleet.merges.iterdir()) == []


def test_without_a_device_nothing_begins(world: World) -> None:
    """Nobody is waited for who cannot come."""
    with pytest.raises(TbftError, match="none of 0 devices"):
        Held(world, {})


def test_devices_that_stay_away_hold_nothing_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some boards are always off: it is waited for others only as long as they come."""
    monkeypatch.setattr("tbft_fleet.rounds.rounds._GATHER_SECONDS", 0.0)
    monkeypatch.setattr("tbft_fleet.rounds.rounds._LOOK_SECONDS", 0.01)
    world.device("pi-0", images=0)
    device = world.made_up("pi-1")
    held = Held(world, {"pi-1": learner(world, device, 1.0)}, seconds=3600)
    assert held.rounds[0].asked == ("pi-1",)


def test_who_may_come_is_who_is_enrolled(world: World) -> None:
    """By the key of its SuperNode, which it told when it joined."""
    world.device("pi-0", images=0)
    world.made_up("pi-1")
    link = MemoryLink({"pi-1": lambda *_: None})
    wanted = Wanted(1, 1, None, "mean", 0)
    with rounds_of(world.fleet, link, wanted, print) as rounds, pytest.raises(TbftError):  # type: ignore[arg-type]
        list(rounds.hold())
    assert list(link.admitted) == ["pi-0"]
    assert link.admitted["pi-0"].startswith(b"-----BEGIN PUBLIC KEY-----")
