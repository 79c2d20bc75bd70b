"""What a wave is judged by, of what is known of each device."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_fleet.files.result import Outcome
from tbft_fleet.host.waves import Member


class _Seen(msgspec.Struct):
    release: int
    outcome: Outcome | None = None
    why: str | None = None


class _Device(msgspec.Struct):
    group: str
    enrolled_at: str
    revoked_at: str | None = None
    heard_at: str | None = None
    releases: tuple[_Seen, ...] = ()


def members_of(devices: Path, number: int) -> list[Member]:
    """Every enrolled device that was not revoked, with what it told of release `number`.

    Raises TbftError for a file of a device that cannot be read.
    """
    found = ((path.stem, _read(path)) for path in sorted(devices.glob("*.json")))
    return [_member(name, device, number) for name, device in found if device.revoked_at is None]


def _member(name: str, device: _Device, number: int) -> Member:
    told = next((seen for seen in device.releases if seen.release == number), _Seen(number))
    heard = device.heard_at or device.enrolled_at
    return Member(name, device.group, datetime.fromisoformat(heard).astimezone(UTC), told.outcome, told.why)


def _read(path: Path) -> _Device:
    try:
        content = read_at_most(path, MIB)
    except OSError as error:
        raise unreadable(path, error) from error
    return decode(content, _Device, MIB, failed=f"'{path}' cannot be read", hint="restore it from a copy")
