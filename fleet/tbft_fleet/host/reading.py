"""How a fleet is, read from its folder."""

from __future__ import annotations

from datetime import datetime, timedelta

from tbft_fleet.host.devices import Devices
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.gathering import status_of
from tbft_fleet.host.merges import rounds_in
from tbft_fleet.host.status import Status


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
