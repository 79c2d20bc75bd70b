"""Whole fleets that are not there: records of 3 devices or 10,000 as a host has them, with the troubles of such."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from support.made_up_fleet import BUNDLE, release
from tbft_fleet.files.enrolment import Enrolment
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import Health, Result, Training, Update
from tbft_fleet.files.round import Round, TookPart
from tbft_fleet.files.waves import is_open
from tbft_fleet.host.device import Device
from tbft_fleet.host.gathering import status_of
from tbft_fleet.host.status import Status

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
GROUPS = ("porch", "garage", "barn")
BUNDLES = (BUNDLE, "cd" * 32, "ef" * 32)
PLAN = "output-frozen-sgd"
SILENT_AFTER = timedelta(days=3)


def releases() -> tuple[Release, ...]:
    """Three, of which the last has come to half of the devices."""
    percents = (100, 100, 50)
    return tuple(
        release(number, bundle, groups=GROUPS, percent=percent, plan=PLAN)
        for number, (bundle, percent) in enumerate(zip(BUNDLES, percents, strict=True), start=1)
    )


def made_up_devices(count: int, seed: int = 0) -> Iterator[Device]:
    """One after the other; some of a hundred are silent, behind, hot, or rolled back."""
    random = Random(seed)
    for number in range(count):
        name = f"pi-{number:05}"
        yield _told(_enrolled(name, GROUPS[number % len(GROUPS)]), random)


def made_up_status(count: int, seed: int = 0) -> Status:
    """Of so many devices, with a round and metadata that expire soon."""
    devices = [*made_up_devices(count, seed)]
    took = tuple(
        TookPart(device=device.name, counter=1, images=60, age=int(index % 7 == 6), accuracy=0.4 + 0.1 * (index % 2))
        for index, device in enumerate(devices[: max(3, count // 10)])
    )
    found = Round(
        number=1,
        release=1,
        plan=PLAN,
        rule="mean",
        made_at="2026-11-28T08:00:00+00:00",
        into=2,
        parts=took,
        asked=(*(part.device for part in took), "pi-away"),
        bytes=2_600,
        model_bytes=1_500_000,
    )
    expiries = {"timestamp": NOW + timedelta(days=2), "root": NOW + timedelta(days=300)}
    return status_of(devices, releases(), [found] if took else [], expiries, NOW, SILENT_AFTER)


def _enrolled(name: str, group: str) -> Device:
    enrolment = Enrolment(device=name, group=group, public_key="", board="Raspberry Pi 4 Model B", runtime="0.1.0")
    return Device(enrolment=enrolment, group=group, enrolled_at="2026-10-01T08:00:00+00:00")


def _told(device: Device, random: Random) -> Device:
    """With a result for each release that it took."""
    luck = random.random()
    if luck < 0.005:
        return device
    seen = NOW - (timedelta(days=random.randint(4, 60)) if luck < 0.03 else timedelta(hours=random.random() * 20))
    offered = [each for each in releases() if is_open(each, device.name)]
    if 0.03 < luck < 0.06:
        offered = offered[:-1]
    running = offered[0]
    for counter, each in enumerate(offered, start=1):
        fails = each is offered[-1] and counter > 1 and 0.06 < luck < 0.08
        why = "drop failed: 12.5 points, from 97.5% to 85.0% of 40 (limit: 2)" if fails else None
        running = running if fails else each
        outcome = "rolled back" if fails else "committed"
        result = Result(
            device=device.name,
            counter=counter,
            nonce=f"{counter:032x}",
            made_at=seen.isoformat(),
            release=running.number,
            bundle_id=running.bundle_id,
            health=_health(random),
            update=Update(release=each.number, outcome=outcome, why=why),
            training=_training(random) if random.random() < 0.3 else None,
        )
        device = device.told(result, seen.isoformat())
    return device


def _health(random: Random) -> Health:
    knows = random.random() < 0.8
    return Health(
        runtime="0.1.0",
        accuracy=round(min(1.0, random.gauss(0.93, 0.05)), 4) if knows else None,
        drift=round(abs(random.gauss(0.5, 0.25)), 3),
        celsius=round(random.gauss(52, 7), 1),
        throttled=random.random() < 0.02,
        under_voltage=random.random() < 0.01,
        memory_bytes=900_000_000,
        disk_free_bytes=int(32e9 * random.random()),
        disk_bytes=32_000_000_000,
        clock_is_known=random.random() > 0.01,
    )


def _training(random: Random) -> Training:
    before = round(random.uniform(0.2, 0.7), 3)
    return Training(
        plan=PLAN,
        images=random.randint(20, 200),
        accuracy_before=before,
        accuracy_after=round(min(1.0, before + random.uniform(0, 0.4)), 3),
        joules=round(random.uniform(20, 400), 1),
        joules_are_estimated=random.random() < 0.5,
        seconds=30.0,
        peak_memory_bytes=random.randint(60_000_000, 180_000_000),
    )
