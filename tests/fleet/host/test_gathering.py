"""How a fleet is said to be follows from what its devices told, and from nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.made_up_fleet import BUNDLE, release
from support.made_up_fleets import made_up_devices, made_up_status, releases
from tbft_fleet.files.enrolment import Enrolment
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import WITHDRAWN, Health, Result, Training, Update
from tbft_fleet.files.round import Round, TookPart
from tbft_fleet.host.device import Device
from tbft_fleet.host.gathering import STATES, status_of
from tbft_fleet.host.status import DeviceStatus, Status

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
AT = "2026-12-01T11:00:00+00:00"


def device(name: str = "pi-7", **changes: Any) -> Device:
    enrolment = Enrolment(device=name, group="porch", public_key="", board="Raspberry Pi 5", runtime="0.1.0")
    return Device(**{"enrolment": enrolment, "group": "porch", "enrolled_at": AT} | changes)


def told(known: Device, number: int = 1, at: str = AT, made_at: str = AT, **stated: Any) -> Device:
    result = Result(
        **{
            "device": known.name,
            "counter": known.counter + 1,
            "nonce": f"{known.counter:032x}",
            "made_at": made_at,
            "release": number,
            "bundle_id": BUNDLE,
            "health": Health(runtime="0.1.0"),
        }
        | stated
    )
    return known.told(result, at)


def gathered(*devices: Device, of: tuple[Release, ...] = (release(1),), rounds: tuple[Round, ...] = ()) -> Status:
    return status_of(devices, of, rounds, {}, NOW, timedelta(days=3))


def row(known: Device, *of: Release) -> DeviceStatus:
    (found,) = gathered(known, of=of or (release(1),)).devices
    return found


@pytest.mark.parametrize(
    ("known", "state"),
    [
        (told(device()), "running"),
        (device(), "behind"),
        (told(device(), 0), "behind"),
        (told(device(), 0, update=Update(release=1, outcome="rolled back", why="drop")), "rolled back"),
        (told(device(), 0, update=Update(release=1, outcome="refused", why="too old")), "behind"),
        (told(device(), at="2026-11-28T11:00:00+00:00", made_at="2026-11-28T11:00:00+00:00"), "silent"),
        (device(enrolled_at="2026-11-01T11:00:00+00:00"), "silent"),
        (told(device(revoked_at=AT)), "revoked"),
        (device(group="barn"), "no release"),
    ],
)  # fmt: skip
def test_each_device_is_in_one_state(known: Device, state: str) -> None:
    """The one that matters most to whoever looks."""
    assert row(known).state == state


def test_a_device_is_meant_to_run_what_its_wave_brought() -> None:
    """Of a release that came to nobody yet, the one before; of another group's, none."""
    assert row(device(), release(1), release(2, percent=0)).target == 1
    assert row(device(), release(1), release(2)).target == 2
    assert row(device(), release(1), release(2, groups=("barn",))).target == 1


def test_the_last_sign_of_life_is_when_it_was_made() -> None:
    """A stick may be carried for a week; a device without a clock is heard when the host has it."""
    early = "2026-11-30T09:00:00+00:00"
    assert row(told(device(), made_at=early)).last_seen == early
    lost = Health(runtime="0.1.0", clock_is_known=False)
    assert row(told(device(), made_at="1970-01-01T00:00:00+00:00", health=lost)).last_seen == AT
    for odd in ("yesterday", "2099-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59", "2026-12-01"):
        assert row(told(device(), made_at=odd)).last_seen == AT


def test_accuracy_is_before_and_after() -> None:
    """Of the last training of what runs, or else with the release before; what nobody measured is not known."""
    health = [Health(runtime="0.1.0", accuracy=part) for part in (0.4, 0.9)]
    known = told(told(device(), 1, health=health[0]), 2, health=health[1])
    assert (row(known).accuracy_before, row(known).accuracy_after) == (0.4, 0.9)
    # What went back in between did not run before.
    gone = told(told(device(), 1, health=health[0]), 1, update=Update(release=2, outcome="rolled back", why="drop"))
    assert row(told(gone, 3, health=health[1])).accuracy_before == 0.4
    training = Training(plan="p", images=5, accuracy_before=0.1, accuracy_after=0.2)
    trained = row(told(known, 2, training=training))
    assert (trained.accuracy_before, trained.accuracy_after, trained.plan) == (0.1, 0.2, "p")
    assert row(told(device())).accuracy_after is None
    assert row(told(device())).drift is None


@pytest.mark.parametrize(
    ("health", "kind"),
    [
        ({"drift": 1.4}, "drift"),
        ({"drift": 1.4, "accuracy": 0.9, "labels_wanted": 3}, "drift"),
        ({"throttled": True}, "throttling"),
        ({"under_voltage": True}, "under-voltage"),
        ({"disk_free_bytes": 9, "disk_bytes": 100}, "disk"),
        ({"clock_is_known": False}, "clock"),
        ({"drift": 1.4, "accuracy": 0.9}, None),
        ({"drift": 0.9}, None),
        ({"disk_free_bytes": 10, "disk_bytes": 100}, None),
        ({"disk_free_bytes": 0, "disk_bytes": 0}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_what_needs_a_person(health: dict[str, Any], kind: str | None) -> None:
    """Each kind alone, and nothing where all is well or not known."""
    known = told(device(), health=Health(runtime="0.1.0", **health))
    assert [need.kind for need in gathered(known).needs] == ([] if kind is None else [kind])
    assert row(known).needs == (() if kind is None else (kind,))


def test_failed_gates_are_needed_only_of_what_should_run() -> None:
    """A release that was followed by a better one is history."""
    known = told(told(device(), 1), 1, update=Update(release=2, outcome="rolled back", why="drop: 12 points"))
    (need,) = gathered(known, of=(release(1), release(2))).needs
    assert (need.kind, need.words) == ("gate", "rolled back release 2: drop: 12 points")
    # A release that failed is closed, and nobody should run it: it failed all the same.
    closed = gathered(known, of=(release(1), release(2, percent=0)))
    assert [need.kind for need in closed.needs] == ["gate"]
    assert closed.devices[0].state == "rolled back"
    # What the host took back itself is no news to it.
    back = told(device(), 1, update=Update(release=2, outcome="rolled back", why=WITHDRAWN))
    assert gathered(back, of=(release(1), release(2, percent=0))).needs == ()
    # What follows need not have come to it.
    followed = gathered(known, of=(release(1), release(2, percent=0), release(3, percent=1)))
    assert (followed.needs, followed.devices[0].target, followed.devices[0].why) == ((), 1, None)
    assert followed.devices[0].state == "running"
    assert gathered(told(known, 3), of=(release(1), release(2), release(3))).needs == ()


def test_what_expires_soon_is_said() -> None:
    """Two weeks before, and when it has."""
    ends = {"a": NOW + timedelta(days=15), "b": NOW + timedelta(days=13), "c": NOW - timedelta(days=1)}
    found = status_of([], (), (), ends, NOW, timedelta(days=3))
    assert [need.words for need in found.needs] == [
        "c expired on 2026-11-30 12:00 UTC",
        "b expires on 2026-12-14 12:00 UTC",
    ]


def test_the_progress_of_a_release() -> None:
    """Who it came to, who took it, who failed, how right they are, and who is worst."""
    good = [told(device(f"pi-{n}"), health=Health(runtime="x", accuracy=n / 10)) for n in range(1, 8)]
    bad = told(device("pi-9"), 0, update=Update(release=1, outcome="refused", why="x"))
    found = gathered(*good, bad, device("pi-8"), told(device("pi-0", revoked_at=AT))).releases[0]
    assert (found.devices, found.reached, found.took, found.failed) == (9, 9, 7, 1)
    assert found.accuracies == (0, 1, 1, 1, 1, 1, 1, 1, 0, 0)
    assert found.mean == pytest.approx(0.4)
    assert [each.device for each in found.worst] == ["pi-1", "pi-2", "pi-3", "pi-4", "pi-5"]


def test_a_round_is_merged_against_alone() -> None:
    """Alone: what each said of its training. Merged: what the same devices said of the release that came of it."""
    devices = [
        told(told(device(f"pi-{n}"), 1), 2, health=Health(runtime="x", accuracy=part))
        for n, part in ((1, 0.8), (2, 1.0))
    ]
    part = TookPart(device="pi-1", counter=1, images=10, accuracy=0.3)
    late = TookPart(device="pi-2", counter=1, images=20, accuracy=0.5, age=1)
    merge = Round(number=1, release=1, plan="p", rule="mean", made_at=AT, into=2, parts=(part, late))
    merge = msgspec.structs.replace(merge, asked=("pi-2", "pi-3", "pi-1"), bytes=2600, model_bytes=1_500_000)
    found = gathered(*devices, of=(release(1), release(2)), rounds=(merge,)).rounds[0]
    assert (found.devices, found.late, found.missing, found.images) == (("pi-1", "pi-2"), {"pi-2": 1}, ("pi-3",), 30)
    assert (found.bytes, found.model_bytes) == (2600, 1_500_000)
    assert (found.alone, found.merged) == (pytest.approx(0.4), pytest.approx(0.9))


@given(count=st.integers(0, 60), seed=st.integers(0, 1000))
def test_every_device_is_counted_once(count: int, seed: int) -> None:
    """Whatever they told."""
    found = made_up_status(count, seed)
    assert sum(found.counts.values()) == len(found.devices) == count
    assert set(found.counts) == set(STATES)
    for each in found.releases:
        assert each.took + each.failed <= each.reached <= each.devices
        assert sum(each.accuracies) <= each.devices


def test_a_record_is_bounded_however_much_a_device_tells() -> None:
    """A host of 10,000 devices reads all of them."""
    known = next(made_up_devices(1, seed=5))
    for number in range(1, 500):
        known = told(known, number, update=Update(release=number, outcome="committed"))
    assert len(known.releases) == 16
    assert known.releases[-1].release == 499
    assert len(msgspec.json.encode(known)) < 5000
    assert releases()[-1].number == 3
