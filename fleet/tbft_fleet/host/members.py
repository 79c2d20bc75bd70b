"""What a wave is judged by, of what is known of each device."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tbft_fleet.host.device import Device, Seen, time_of
from tbft_fleet.host.devices import Damaged, Devices
from tbft_fleet.host.waves import Member

_NEVER = datetime.min.replace(tzinfo=UTC)


def members_of(devices: Path, number: int) -> list[Member]:
    """Every enrolled device that was not revoked, with what it told of release `number`.

    One whose record cannot be read told nothing. Raises TbftError where none can be.
    """
    return members_and_damaged(devices, number)[0]


def members_and_damaged(devices: Path, number: int) -> tuple[list[Member], tuple[str, ...]]:
    """The same, and the names of those whose records cannot be read."""
    members, damaged = list[Member](), list[str]()
    for each in Devices(devices).each():
        if isinstance(each, Damaged):
            damaged.append(each.name)
        elif each.revoked_at is None:
            members.append(_member(each, number))
    return members, tuple(damaged)


def _member(device: Device, number: int) -> Member:
    told = next((seen for seen in device.releases if seen.release == number), Seen(release=number))
    heard = time_of(device.heard_at or device.enrolled_at) or _NEVER
    return Member(device.name, device.group, heard, told.outcome, told.why)
