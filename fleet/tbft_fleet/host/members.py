"""What a wave is judged by, of what is known of each device."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tbft_fleet.host.device import Device, Seen
from tbft_fleet.host.devices import Devices
from tbft_fleet.host.waves import Member


def members_of(devices: Path, number: int) -> list[Member]:
    """Every enrolled device that was not revoked, with what it told of release `number`.

    Raises TbftError for a file of a device that cannot be read.
    """
    return [_member(device, number) for device in Devices(devices) if device.revoked_at is None]


def _member(device: Device, number: int) -> Member:
    told = next((seen for seen in device.releases if seen.release == number), Seen(release=number))
    heard = device.heard_at or device.enrolled_at
    return Member(device.name, device.group, datetime.fromisoformat(heard).astimezone(UTC), told.outcome, told.why)
