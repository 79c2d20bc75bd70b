"""How a fleet is, read from its folder."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_fleet.files.round import Round
from tbft_fleet.host.devices import Devices
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.gathering import status_of
from tbft_fleet.host.status import Status

# Of a round of 100,000 devices.
_LIMIT = 32 * MIB


def read_status(fleet: Fleet, now: datetime) -> Status:
    """At the time `now`. Raises TbftError for a record or a repository that is damaged."""
    return status_of(
        Devices(fleet.devices),
        fleet.releases(),
        rounds_in(fleet.merges),
        {f"what the key '{ends.key}' signed": ends.expires for ends in fleet.repository.ends()},
        now,
        timedelta(hours=fleet.settings.silent_hours),
    )


def rounds_in(folder: Path) -> tuple[Round, ...]:
    """The records of rounds in the fleet's folder of merges, in order. Raises TbftError for one that is damaged."""
    found = (_read(path) for path in folder.glob("*/round.json"))
    return tuple(sorted(found, key=lambda each: each.number))


def _read(path: Path) -> Round:
    try:
        content = read_at_most(path, _LIMIT)
    except OSError as error:
        raise unreadable(path, error) from error
    return decode(content, Round, _LIMIT, failed=f"'{path}' cannot be read", hint="restore it from a copy")
