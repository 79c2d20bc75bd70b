"""`tbft-edge fleet keys revoke`: take nothing of a device any more."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from tbft_edge.commands.fleet.host_options import FleetArgument
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say


class Revoked(msgspec.Struct, frozen=True):
    """A device, and since when (ISO 8601)."""

    device: str
    revoked_at: str


def command(
    fleet: FleetArgument,
    device: Annotated[str, typer.Argument(help="The device's name.")],
    json: JsonOption = False,
) -> None:
    """Trust the key of a device no longer: nothing that it signs is taken. What was taken before stays.

    It still may take releases, which are no secret.
    """
    with extra("fleet"):
        from tbft_fleet.host.devices import Devices
        from tbft_fleet.host.enrolling import revoke
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.metadata import now

    devices = Devices(open_fleet(fleet).devices)
    with devices.held():
        found = revoke(devices, device, now().isoformat())
    if json:
        print_json(Revoked(found.name, found.revoked_at or ""))
        return
    print_line(found.name)
    say("revoked: look at what of its results was merged since it was last known to be in good hands")
