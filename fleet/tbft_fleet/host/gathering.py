"""From records to how a fleet is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from tbft_fleet.files.release import Release
from tbft_fleet.files.round import Round
from tbft_fleet.host import needs
from tbft_fleet.host.device import Device, time_of
from tbft_fleet.host.devices import Damaged
from tbft_fleet.host.progress import Progress, newest, round_status, target
from tbft_fleet.host.status import DeviceStatus, Need, State, Status

STATES: tuple[State, ...] = ("rolled back", "silent", "behind", "no release", "running", "revoked")


def status_of(
    devices: Iterable[Device | Damaged],
    releases: Sequence[Release],
    rounds: Sequence[Round],
    expiries: Mapping[str, datetime],
    now: datetime,
    silent_after: timedelta,
) -> Status:
    """How all is at the time `now`.

    Args:
        devices: Each once; looked at one after the other.
        releases: By their numbers.
        rounds: In order.
        expiries: When metadata of releases end, by what they are called.
        now: By the host's clock.
        silent_after: From when on a device counts as silent.
    """
    progress = [Progress(release) for release in releases]
    # Of those that took part in a round.
    parts = {(part.device, each.into) for each in rounds for part in each.parts if each.into is not None}
    accuracies: dict[tuple[str, int], float] = {}
    rows: list[DeviceStatus] = []
    found: list[Need] = [*needs.of_host(expiries, now)]
    for device in devices:
        if isinstance(device, Damaged):
            found.append(Need(kind="record", device=device.name, words=device.why))
            continue
        for each in progress:
            each.add(device)
        for seen in device.releases:
            if (device.name, seen.release) in parts and seen.accuracy is not None:
                accuracies[device.name, seen.release] = seen.accuracy
        row, own = _row(device, target(releases, device), newest(releases, device), now, silent_after)
        rows.append(row)
        found += own
    rows.sort(key=lambda row: (STATES.index(row.state), not row.needs, row.name))
    return Status(
        at=now.isoformat(timespec="seconds"),
        silent_after_hours=silent_after / timedelta(hours=1),
        counts={state: sum(row.state == state for row in rows) for state in STATES},
        needs=tuple(found),
        devices=tuple(rows),
        releases=tuple(each.status() for each in reversed(progress)),
        rounds=tuple(round_status(each, accuracies) for each in reversed(rounds)),
    )


def _row(
    device: Device, wanted: int, newest: int, now: datetime, silent_after: timedelta
) -> tuple[DeviceStatus, list[Need]]:
    seen_at = last_seen(device)
    quiet = now - (seen_at or time_of(device.enrolled_at) or now)
    silent = quiet if quiet >= silent_after else None
    own = [] if device.revoked_at else [*needs.of_device(device, newest, silent)]
    last, training = device.last, device.training
    before, after = _accuracies(device)
    failed = device.failed(newest)
    return DeviceStatus(
        name=device.name,
        group=device.group,
        state=_state(device, wanted, newest, silent is not None),
        last_seen=None if seen_at is None else seen_at.isoformat(timespec="seconds"),
        release=0 if last is None else last.release,
        target=wanted,
        accuracy_before=before,
        accuracy_after=after,
        drift=None if last is None else last.health.drift,
        plan=None if training is None else training.plan,
        joules=None if training is None else training.joules,
        joules_are_estimated=training is not None and training.joules_are_estimated,
        peak_memory_bytes=None if training is None else training.peak_memory_bytes,
        celsius=None if last is None else last.health.celsius,
        runtime=None if last is None else last.health.runtime,
        board=device.enrolment.board,
        signed=last is not None,
        why=None if failed is None else failed.why,
        needs=needs.kinds(own),
    ), own


def last_seen(device: Device) -> datetime | None:
    """When its newest result was made; when it came, where the device cannot know that."""
    came = time_of(device.heard_at)
    if device.last is None or came is None:
        return None
    made = time_of(device.last.made_at) if device.last.health.clock_is_known else None
    return came if made is None else min(made, came)


def _state(device: Device, wanted: int, newest: int, is_silent: bool) -> State:
    if device.revoked_at is not None:
        return "revoked"
    if is_silent:
        return "silent"
    failed = device.failed(newest)
    if failed is not None and failed.outcome == "rolled back":
        return "rolled back"
    if not wanted:
        return "no release"
    return "running" if device.last is not None and device.last.release == wanted else "behind"


def _accuracies(device: Device) -> tuple[float | None, float | None]:
    """Before and after: by its last training, if that was of what it runs, or else by the release before and this."""
    if device.last is None:
        return None, None
    number, training = device.last.release, device.training
    if training is not None and device.trained == number:
        return training.accuracy_before, training.accuracy_after
    known = {seen.release: seen.accuracy for seen in device.releases}
    # One that was refused, or went back, is not what ran before.
    ran = [seen.release for seen in device.releases if seen.outcome in (None, "committed")]
    earlier = max((each for each in ran if each < number), default=None)
    return None if earlier is None else known[earlier], known.get(number)
