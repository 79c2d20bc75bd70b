"""How a fleet is, read from its folder."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from tbft_fleet.host.devices import Devices
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.gathering import status_of
from tbft_fleet.host.merges import rounds_and_damaged
from tbft_fleet.host.status import Need, Status


def read_status(fleet: Fleet, now: datetime) -> Status:
    """At the time `now`. A damaged record is a need of its own. Raises TbftError for a repository that is damaged."""
    rounds, damaged = rounds_and_damaged(fleet)
    found = status_of(
        Devices(fleet.devices).each(),
        fleet.releases(),
        rounds,
        {f"what the key '{ends.key}' signed": ends.expires for ends in fleet.repository.ends()},
        now,
        timedelta(hours=fleet.settings.silent_hours),
    )
    needs = (Need(kind="record", device=None, words=why) for why in damaged)
    return _with_groups(replace(found, needs=(*found.needs, *needs)), fleet)


def _with_groups(found: Status, fleet: Fleet) -> Status:
    """Whoever takes a group out of the settings may not know that boards are in it: nothing is released for these."""
    strays = {
        each.name: f"it is in group '{each.group}', for which nothing is released"
        for each in found.devices
        if each.group not in fleet.settings.groups and each.state != "revoked"
    }
    rows = (replace(each, needs=(*each.needs, "group")) if each.name in strays else each for each in found.devices)
    needs = (Need(kind="group", device=name, words=words) for name, words in strays.items())
    return replace(found, devices=tuple(rows), needs=(*found.needs, *needs)) if strays else found
